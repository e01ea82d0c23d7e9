import io
import re
from pathlib import Path

import numpy as np
import pytest
from fault_fates import FATES, FATES_BY_DECODING
from PIL import Image
from tiny_gldv2 import jpeg

from tfrecords_tools import images
from tfrecords_tools import jpeg as jpeg_header
from tfrecords_tools.images import ImageSettings

_HEADER, _DECODE = ImageSettings(verify="header"), ImageSettings(verify="decode")


def _pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.int16)


@pytest.mark.parametrize("name", FATES)
def test_each_fault_has_its_fate(faults, name):
    data = (faults / f"{name}.jpg").read_bytes()
    for settings, fates in ((_HEADER, FATES), (_DECODE, FATES_BY_DECODING)):
        inspected = images.inspect(data, settings)
        assert (inspected.fate, inspected.reason) == fates[name]
        if inspected.fate == images.KEPT:
            assert inspected.encoded == data


def test_every_fault_is_in_the_table(faults):
    assert {path.stem for path in faults.glob("*.jpg")} == set(FATES)


@pytest.mark.parametrize("name", [name for name, (fate, _) in FATES.items() if fate != "rejected"])
def test_tensorflow_decodes_what_is_not_rejected(faults, name):
    import tensorflow as tf

    inspected = images.inspect((faults / f"{name}.jpg").read_bytes(), _HEADER)
    decoded = tf.io.decode_jpeg(inspected.encoded, channels=3)
    assert decoded.shape == (inspected.height, inspected.width, 3)


@pytest.mark.parametrize(
    "name", ["avif_as", "bmp_as", "cmyk", "png16_gray_as", "png_palette_as", "tiff_as", "webp_as"]
)
def test_reencoded_photos_still_show_the_photo(faults, name):
    # All were made from ok.jpg; 256 dithered colours move its pixels by 10, the rest by less.
    ok = _pixels((faults / "ok.jpg").read_bytes())
    again = _pixels(images.inspect((faults / f"{name}.jpg").read_bytes(), _HEADER).encoded)
    if name == "png16_gray_as":
        ok = np.asarray(Image.fromarray(ok.astype(np.uint8)).convert("L"), np.int16)[..., None]
    assert np.abs(again - ok).mean() < 12


@pytest.mark.parametrize(("orientation", "turn"), [(3, 2), (6, 3), (8, 1)])
def test_exif_rotation_is_undone(orientation, turn):
    exif = Image.Exif()
    exif[0x0112] = orientation
    lying = np.zeros((40, 60, 3), np.uint8)
    lying[:20, :30] = 255  # white in the upper left quarter
    encoded = io.BytesIO()
    Image.fromarray(lying).save(encoded, "JPEG", exif=exif, quality=95)
    inspected = images.inspect(encoded.getvalue(), _HEADER)
    assert (inspected.fate, inspected.reason) == ("reencoded", "rotated by Exif")
    # np.rot90 turns counter-clockwise: orientation 6 asks for 90° clockwise, 3 quarter turns.
    upright = np.rot90(lying, turn)
    assert (inspected.height, inspected.width) == upright.shape[:2]
    assert np.abs(_pixels(inspected.encoded) - upright).mean() < 4
    assert jpeg_header.read_header(inspected.encoded).orientation == 1


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("settings", [_HEADER, _DECODE])
def test_sound_jpegs_are_kept_byte_for_byte(mode, progressive, settings):
    data = jpeg(1, (70, 50), mode, progressive=progressive)
    assert images.inspect(data, settings) == images.Inspected("kept", "", data, 70, 50)


def test_max_side_resizes_longer_images_only():
    small, large = jpeg(1, (100, 50)), jpeg(2, (400, 100))
    settings = ImageSettings(max_side=200)
    assert images.inspect(small, settings).encoded == small
    inspected = images.inspect(large, settings)
    assert (inspected.fate, inspected.reason) == ("reencoded", "resized")
    assert (inspected.width, inspected.height) == (200, 50)
    assert _pixels(inspected.encoded).shape == (50, 200, 3)


def test_reencoding_gives_the_same_bytes_every_time():
    png = jpeg(3, (64, 64), format="PNG")
    assert images.inspect(png, _HEADER) == images.inspect(png, _HEADER)


def test_transparency_is_laid_on_white():
    clear = io.BytesIO()
    Image.new("RGBA", (32, 32), (255, 0, 0, 0)).save(clear, "PNG")
    assert _pixels(images.inspect(clear.getvalue(), _HEADER).encoded).min() >= 250


def test_sixteen_bits_are_scaled_not_clipped():
    gray = io.BytesIO()
    Image.fromarray(np.full((32, 32), 0x8000, np.uint16)).save(gray, "PNG")
    # 0x8000 / 65535 · 255 = 127.5.
    assert np.abs(_pixels(images.inspect(gray.getvalue(), _HEADER).encoded) - 127.5).max() < 2


def test_bounds_are_met_exactly():
    data = jpeg(0, (40, 30))
    fits = ImageSettings(min_side=30, max_pixels=1200)
    assert images.inspect(data, fits).fate == "kept"
    assert images.inspect(data, ImageSettings(min_side=31)).reason == "too small (40x30)"
    assert images.inspect(data, ImageSettings(max_pixels=1199)).reason == "too large (40x30)"


def test_no_bytes_make_it_fail():
    """Every cut and many random changes of a JPEG and a PNG end in one of the three fates."""
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    for whole in (jpeg(1), jpeg(1, exif=exif), jpeg(1, format="PNG"), jpeg(1, format="TIFF")):
        variants = [whole[:length] for length in range(0, len(whole), 37)]
        for _ in range(400):
            changed = bytearray(whole)
            for place in rng.integers(0, min(len(whole), 700), 3):
                changed[place] = rng.integers(256)
            variants.append(bytes(changed))
        for data in variants:
            inspected = images.inspect(data, _DECODE)
            assert inspected.fate in (images.KEPT, images.REENCODED, images.REJECTED)
            assert bool(inspected.encoded) == (inspected.fate != images.REJECTED)


def test_the_header_agrees_with_pillow():
    for progressive in (False, True):
        for mode, components in (("L", 1), ("RGB", 3), ("CMYK", 4)):
            header = jpeg_header.read_header(jpeg(0, (33, 21), mode, progressive=progressive))
            assert (header.width, header.height) == (33, 21)
            assert (header.components, header.precision) == (components, 8)
            assert header.frame == (0xC2 if progressive else 0xC0)


def test_the_documented_table_is_the_true_one():
    text = (Path(__file__).parents[2] / "docs" / "tfrecords.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \|[^|]*\| ([^|]+) \|", text, re.MULTILINE))

    def phrase(fate: str, reason: str) -> str:
        return f"{fate}: {reason}" if reason else fate

    expected = {name: phrase(*FATES[name]) for name in FATES}
    expected["bitrot"] = "kept; with `--verify decode` rejected: corrupt"
    assert rows == expected
