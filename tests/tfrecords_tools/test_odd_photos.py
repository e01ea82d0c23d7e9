"""Valid photos of rare kinds, and files whose headers ask for too much."""

import io
import struct

import numpy as np
import pytest
from jpeg_files import cmyk_without_adobe, directory, exif, png_with, sampled, segment
from PIL import Image
from tiny_gldv2 import jpeg

from tfrecords_tools import fast_jpeg, images
from tfrecords_tools import jpeg as jpeg_header
from tfrecords_tools.images import ImageSettings

HEADER, DECODE = ImageSettings(), ImageSettings(verify="decode")
ORIENTATION = 0x0112
SAMPLINGS = [
    [(1, 4), (1, 1), (1, 1)],
    [(4, 1), (1, 1), (1, 1)],
    [(2, 2), (2, 1), (1, 2)],
    [(2, 2), (2, 2), (1, 1)],
    [(1, 1), (1, 1), (2, 1)],
    [(1, 1), (2, 2), (2, 2)],
    [(3, 1), (1, 1), (1, 1)],
    [(1, 3), (1, 1), (1, 1)],
    [(4, 1), (2, 1), (1, 1)],
    [(2, 1), (1, 1), (2, 1)],
    [(2, 4), (1, 1), (1, 1)],
]


@pytest.mark.parametrize("settings", [HEADER, DECODE])
@pytest.mark.parametrize("factors", SAMPLINGS)
def test_any_sampling_is_kept_and_read(factors, settings):
    tf = pytest.importorskip("tensorflow")
    data = sampled(factors)
    assert images.inspect(data, settings) == images.Inspected("kept", "", data, 70, 50)
    expected = tf.io.decode_jpeg(data, channels=3).numpy()
    found = images.upright_pixels(data, settings)
    assert np.ptp(expected) > 100
    assert found.shape == (50, 70, 3)
    assert np.abs(found.astype(int) - expected).max() <= 4


@pytest.mark.parametrize("settings", [HEADER, DECODE])
def test_a_turned_photo_of_odd_sampling_is_turned(settings):
    data = sampled(SAMPLINGS[2], before=exif((ORIENTATION, 3, 1, 6)))
    inspected = images.inspect(data, settings)
    assert (inspected.fate, inspected.reason) == ("reencoded", "rotated by Exif")
    assert (inspected.width, inspected.height) == (50, 70)


@pytest.mark.parametrize("settings", [HEADER, DECODE])
def test_cmyk_with_subsampling_is_reencoded(settings):
    data = sampled([(2, 2), (1, 1), (1, 1), (2, 2)])
    assert images.inspect(data, settings).reason == "CMYK"
    odd = sampled([(2, 2), (1, 1), (1, 1), (1, 1)])
    assert images.inspect(odd, settings).reason == "CMYK"


def test_cmyk_without_a_marker_is_no_negative():
    # Stored samples are inverted: 255 is no ink. Full cyan and half black leave (0, 127, 127).
    levels = np.full((32, 32, 4), (0, 255, 255, 127), np.uint8)
    found = images.upright_pixels(cmyk_without_adobe(levels), HEADER)
    assert np.abs(found.astype(int) - (0, 127, 127)).max() <= 6


def test_sampling_that_no_decoder_knows_is_named():
    # 3 luma columns for 2 chroma columns.
    data = sampled([(3, 1), (2, 1), (1, 1)])
    for settings in (HEADER, DECODE):
        assert images.inspect(data, settings).reason == "unusual JPEG sampling"


def test_a_strange_version_is_no_damage():
    data = bytearray(jpeg(1))
    data[data.index(b"JFIF\0") + 5] = 2
    assert images.inspect(bytes(data), DECODE).fate == "kept"


ORIENTATIONS = {
    "first of two blocks": (exif((ORIENTATION, 3, 1, 6)) + exif((ORIENTATION, 3, 1, 1)), 6),
    "none in the first block": (exif((0x0110, 3, 1, 9)) + exif((ORIENTATION, 3, 1, 6)), 1),
    "LONG": (exif((ORIENTATION, 4, 1, 6)), 6),
    "LONG, big endian": (exif((ORIENTATION, 4, 1, 6), big_endian=True), 6),
    "SHORT, big endian": (exif((ORIENTATION, 3, 1, 8), big_endian=True), 8),
    "first of two entries": (exif((ORIENTATION, 3, 1, 1), (ORIENTATION, 3, 1, 6)), 1),
    "first of two entries, turned": (exif((ORIENTATION, 3, 1, 6), (ORIENTATION, 3, 1, 1)), 6),
    "BYTE": (exif((ORIENTATION, 1, 1, 6)), 1),
    "two values": (exif((ORIENTATION, 3, 2, 6)), 1),
    "9": (exif((ORIENTATION, 3, 1, 9)), 1),
    "far behind": (segment(0xE2, bytes(60000)) * 2 + exif((ORIENTATION, 3, 1, 6)), 6),
    "in another segment": (segment(0xED, exif((ORIENTATION, 3, 1, 6))), 1),
    "wrong magic": (segment(0xE1, b"Exif\0\0II+\0" + directory((ORIENTATION, 3, 1, 6))[4:]), 1),
    "XMP": (segment(0xE1, b'http://ns.adobe.com/xap/1.0/\0 tiff:Orientation="6"'), 1),
}


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_one_rule_of_orientation(name):
    before, orientation = ORIENTATIONS[name]
    data = sampled([(1, 1)], before=before)
    assert jpeg_header.read_header(data).orientation == orientation
    turned = orientation > 4
    assert images.upright_pixels(data, HEADER).shape[:2] == ((70, 50) if turned else (50, 70))


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(("kind", "turned"), [(b"eXIf", True), (b"exIf", False)])
def test_png_is_turned_by_its_chunk(late, kind, turned):
    data = png_with(directory((ORIENTATION, 3, 1, 6)), late, kind)
    inspected = images.inspect(data, HEADER)
    assert (inspected.width, inspected.height) == ((30, 40) if turned else (40, 30))


def test_webp_is_turned_by_the_same_rule():
    encoded = io.BytesIO()
    tags = b"Exif\0\0" + directory((ORIENTATION, 3, 1, 1), (ORIENTATION, 3, 1, 6))
    Image.new("RGB", (40, 30)).save(encoded, "WEBP", exif=tags)
    assert images.inspect(encoded.getvalue(), HEADER).width == 40


@pytest.mark.parametrize("value", range(1, 9))
def test_every_turn_is_pillows(value):
    from PIL import ImageOps

    data = sampled([(1, 1)], before=exif((ORIENTATION, 3, 1, value)))
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    found = images.upright_pixels(data, HEADER)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).mean() < 4


def with_frame(marker: int, precision: int = 8) -> bytes:
    """A sound JPEG whose header names another coding process; no decoder can read it."""
    data = bytearray(jpeg(1, quality=90))
    place = jpeg_header.read_header(bytes(data)).frame_offset
    data[place + 1], data[place + 4] = marker, precision
    return bytes(data)


@pytest.mark.parametrize(
    ("marker", "precision"),
    [*((m, 8) for m in (0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF)), (0xC1, 12), (0xC2, 12)],
)
def test_rare_processes_never_reach_the_fast_decoder(marker, precision, monkeypatch):
    import simplejpeg

    def fail(*_, **__):
        raise AssertionError("the fast decoder was used")

    data = with_frame(marker, precision)
    header = jpeg_header.read_header(data)
    assert not header.is_common
    monkeypatch.setattr(simplejpeg, "decode_jpeg", fail)
    monkeypatch.setattr(Image.Image, "draft", fail)
    for settings in (HEADER, DECODE):
        assert images.inspect(data, settings).reason == "unusual JPEG process"
    assert fast_jpeg.decode(data) is None
    assert not fast_jpeg.verify(data, header)
    assert not fast_jpeg.verify_tables(data, header)


def progressive(scans: int, width: int, height: int) -> bytes:
    """A progressive header, and scan headers without pixels behind it."""
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0"
    scan = segment(0xDA, b"\1\1\0\1\1\0")
    return b"\xff\xd8" + segment(0xC2, frame) + scan * scans + b"\xff\xd9"


def test_the_work_of_many_scans_is_bounded():
    # 20 scans of max_pixels at most: 100 x 100 pixels in 20 scans of 10,000 allowed pixels.
    settings = ImageSettings(max_pixels=10_000)
    assert images.admit(progressive(20, 100, 100), settings) is not None
    with pytest.raises(images.RejectedError, match=r"too much work \(100x100, 21 scans\)"):
        images.admit(progressive(21, 100, 100), settings)
    assert images.admit(progressive(80, 50, 50), settings) is not None


def test_scans_are_counted_as_a_decoder_meets_them():
    whole = jpeg(1, progressive=True)
    header = jpeg_header.read_header(whole)
    # libjpeg's script for colour has 10 scans.
    assert jpeg_header.count_scans(whole, header) == 10
    assert jpeg_header.count_scans(whole + whole, header) == 10
    scan = header.scan_offset
    hidden = whole[:scan] + segment(0xFE, b"\xff\xd9\xff\xda") + whole[scan:]
    assert jpeg_header.count_scans(hidden, jpeg_header.read_header(hidden)) == 10
    first = progressive(1, 100, 100)[:-2]
    comment = segment(0xFE, b"\xff\xd9")
    split = first + comment + segment(0xDA, b"\1\1\0\1\1\0") + b"\xff\xd9"
    assert jpeg_header.count_scans(split, jpeg_header.read_header(split)) == 2
    baseline = jpeg(1)
    assert jpeg_header.count_scans(baseline, jpeg_header.read_header(baseline)) == 1


def gray16(width: int, height: int, value: int = 0x8000) -> bytes:
    encoded = io.BytesIO()
    Image.fromarray(np.full((height, width), value, np.uint16)).save(encoded, "PNG")
    return encoded.getvalue()


def test_deep_pixels_count_for_their_bytes():
    data = gray16(40, 30)
    assert images.inspect(data, ImageSettings(max_pixels=2400)).fate == "reencoded"
    reason = images.inspect(data, ImageSettings(max_pixels=2399)).reason
    assert reason == "too large (40x30, 16 bits a sample)"


def test_deep_pixels_are_converted_in_blocks(monkeypatch):
    """Bands of rows give the values of the whole, also where only a later one is bright."""
    from tfrecords_tools import pixels

    levels = np.arange(40 * 50, dtype=np.uint16).reshape(50, 40) % 256
    levels[49] = 60000
    seen = []
    asarray = np.asarray
    monkeypatch.setattr(pixels, "_ROWS", 16)
    monkeypatch.setattr(
        pixels.np, "asarray", lambda a, **k: (seen.append(asarray(a).shape), asarray(a, **k))[1]
    )
    found = pixels._to_rgb(Image.fromarray(levels))
    monkeypatch.undo()
    assert max(height for height, _ in seen) == 16
    expected = np.round(levels.astype(np.float64) * (255 / 65535)).astype(np.uint8)
    np.testing.assert_array_equal(np.asarray(found)[..., 0], expected)
