import io
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from jpeg_files import cmyk_without_adobe, directory, png_with, sampled, segment
from jpeg_files import exif as segment_of
from PIL import Image, ImageOps
from shard_writing import photo

from glrtf.inference import exif
from glrtf.inference.graph_photos import read_photo
from tfrecords_tools import exif as rule
from tfrecords_tools import images, jpeg


def with_orientation(value, other_tags=0, big_endian=False):
    """A JPEG whose Exif directory says `value`, after some other tags."""
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
    found = exif.orientation(tf.constant(data))
    assert found == value
    stored = tf.io.decode_jpeg(data, channels=3)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    ours = exif.upright(stored, found).numpy()
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


TAG = 0x0112
HEADS = {
    "first of two blocks": segment_of((TAG, 3, 1, 6)) + segment_of((TAG, 3, 1, 1)),
    "none in the first block": segment_of((0x0110, 3, 1, 9)) + segment_of((TAG, 3, 1, 6)),
    "LONG": segment_of((TAG, 4, 1, 6)),
    "LONG, big endian": segment_of((TAG, 4, 1, 7), big_endian=True),
    "a LONG that ends as a SHORT": segment_of((TAG, 4, 1, 0x10006)),
    "first of two entries": segment_of((TAG, 3, 1, 1), (TAG, 3, 1, 6)),
    "first of two entries, turned": segment_of((TAG, 3, 1, 6), (TAG, 3, 1, 1)),
    "BYTE": segment_of((TAG, 1, 1, 6)),
    "two values": segment_of((TAG, 3, 2, 6)),
    "many entries": segment_of(*[(0x8000 + n, 3, 1, 2) for n in range(300)], (TAG, 3, 1, 6)),
    "far behind": segment(0xE2, bytes(60000)) * 2 + segment_of((TAG, 3, 1, 6)),
    "in another segment": segment(0xED, segment_of((TAG, 3, 1, 6))),
    "fill bytes": b"\xff\xff\xff" + segment_of((TAG, 3, 1, 6)),
}


@pytest.mark.parametrize("name", HEADS)
def test_the_graph_follows_the_builders_rule(name):
    data = sampled([(1, 1)], before=HEADS[name])
    expected = jpeg.read_header(data).orientation
    assert exif.orientation(tf.constant(data)) == expected
    shape = read_photo(tf.constant(data)).shape
    assert tuple(shape) == images.upright_pixels(data, images.ImageSettings()).shape


@pytest.mark.parametrize("late", [False, True])
def test_png_is_turned_by_its_chunk(late):
    data = png_with(directory((TAG, 3, 1, 6)), late)
    assert exif.orientation(tf.constant(data)) == 6 == rule.png_orientation(data)
    assert read_photo(tf.constant(data)).shape == (40, 30, 3)


def test_changed_headers_are_read_alike():
    """Whatever is changed in a header, graph and builder agree, and the graph never raises."""
    graph = tf.function(exif.orientation, [tf.TensorSpec([], tf.string)], autograph=False)
    rng = np.random.default_rng(0)
    entries = [(0x0110, 3, 1, 9), (TAG, 3, 1, 6), (TAG, 4, 1, 8)]
    turned = set()
    for whole in (
        sampled([(1, 1)], (8, 8), segment_of(*entries)),
        sampled([(1, 1)], (8, 8), segment_of(*entries, big_endian=True)),
        png_with(directory(*entries)),
    ):
        variants = [whole[:length] for length in range(0, 120, 3)]
        for _ in range(300):
            changed = bytearray(whole)
            for place in rng.integers(0, 110, 2):
                changed[place] = rng.choice([0, 1, 2, 3, 6, 8, 0x12, 0xE1, 0xFF, rng.integers(256)])
            variants.append(bytes(changed))
        for data in variants:
            found = int(graph(tf.constant(data)))
            header = jpeg.read_header(data)
            if header is not None:
                assert found == header.orientation
            elif data.startswith(rule.PNG_SIGNATURE):
                assert found == rule.png_orientation(data)
            turned.add(found)
    assert turned >= {1, 6, 8}


def test_cmyk_without_a_marker_is_no_negative():
    # Stored samples are inverted: 255 is no ink. Full cyan and half black leave (0, 127, 127).
    levels = np.full((32, 32, 4), (0, 255, 255, 127), np.uint8)
    found = read_photo(tf.constant(cmyk_without_adobe(levels))).numpy()
    assert np.abs(found.astype(int) - (0, 127, 127)).max() <= 6
