import io
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps
from shard_writing import photo

from glrtf.inference import exif


def with_orientation(value, other_tags=0, big_endian=False):
    """A JPEG whose Exif directory tells `value`, behind some other tags."""
    image = Image.open(io.BytesIO(photo(1)))
    tags = Image.Exif()
    if big_endian:
        tags.endian = ">"
    for number in range(other_tags):
        tags[0x010E + number] = "x" * 30
    tags[0x0112] = value
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=tags.tobytes(), quality=95)
    return buffer.getvalue()


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("other_tags", [0, 3])
def test_upright_is_pillows(value, other_tags):
    data = with_orientation(value, other_tags)
    told = exif.orientation(tf.constant(data))
    assert told == value
    stored = tf.io.decode_jpeg(data, channels=3)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    ours = exif.upright(stored, told).numpy()
    assert ours.shape == expected.shape
    # Pillow and TensorFlow decode a little differently.
    assert np.abs(ours.astype(int) - expected.astype(int)).mean() < 2


def test_both_byte_orders():
    little = (
        b"II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00"
        + bytes(4)
    )
    big = (
        b"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"
        + bytes(4)
    )
    for tiff in (little, big):
        segment = b"Exif\x00\x00" + tiff
        data = b"\xff\xd8\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment
        assert exif.orientation(tf.constant(data)) == 6


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        photo(1),
        photo(1, kind="PNG"),
        with_orientation(9),
        with_orientation(6)[:34],
        b"\xff\xd8\xff\xe1\x00\x10Exif\x00\x00II*\x00\xff\xff\xff\xff",
    ],
)  # fmt: skip
def test_no_orientation_is_upright(data):
    assert exif.orientation(tf.constant(data)) == 1


def test_real_rotated_files(faults):
    for name, value in (("exif_rot6.jpg", 6), ("exif_rot8.jpg", 8), ("ok.jpg", 1)):
        assert exif.orientation(tf.constant(Path(faults / name).read_bytes())) == value
