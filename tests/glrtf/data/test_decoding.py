import io
import sys

import numpy as np
import pytest
import tensorflow as tf
from jpeg_files import cmyk_without_adobe, sampled
from PIL import Image
from shard_writing import photo

from glrtf.data import decoding, host_images
from tfrecords_tools import jpeg
from tfrecords_tools.errors import UserError


def slow_resize(image, size):
    """The definition, one output pixel at a time: half-pixel centres, edge repeated, rounded."""
    height, width = image.shape[:2]
    result = np.empty((size, size, 3), np.uint8)
    for row, column in np.ndindex(size, size):
        y = min(max((row + 0.5) * height / size - 0.5, 0), height - 1)
        x = min(max((column + 0.5) * width / size - 0.5, 0), width - 1)
        top, left = int(y), int(x)
        bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
        upper = image[top, left] * (1 - x + left) + image[top, right] * (x - left)
        lower = image[bottom, left] * (1 - x + left) + image[bottom, right] * (x - left)
        result[row, column] = np.round(upper * (1 - y + top) + lower * (y - top))
    return result


@pytest.mark.parametrize("size", [7, 24, 61])
def test_resize_is_the_bilinear_one(size):
    image = tf.io.decode_jpeg(photo(1), channels=3)
    expected = slow_resize(image.numpy().astype(np.float64), size).astype(int)
    exact = decoding.resize(image, size).numpy().astype(int)
    # Float32 arithmetic may fall on the other side of a half.
    assert np.abs(exact - expected).max() <= 1
    assert (exact != expected).mean() < 0.001
    places = np.empty((2, size, size, 3), np.uint8)
    decoding.fast_resize(size)(image.numpy(), places[0])
    decoding.exact_resize(size)(image.numpy(), places[1])
    assert np.abs(places[0].astype(int) - expected).max() <= 1
    np.testing.assert_array_equal(places[1], exact)


def slow_averages(image, size):
    """The antialiased definition along both axes: triangles as wide as an output pixel."""

    def weights(length):
        reach = max(length / size, 1)
        middles = (np.arange(size)[:, None] + 0.5) * length / size - 0.5
        found = np.maximum(1 - np.abs(middles - np.arange(length)) / reach, 0)
        return found / found.sum(axis=1, keepdims=True)

    height, width = image.shape[:2]
    return np.einsum("ih,jw,hwc->ijc", weights(height), weights(width), image)


@pytest.mark.parametrize("size", [7, 31, 61])
def test_antialiased_resize_averages_what_it_leaves_out(size):
    image = tf.io.decode_jpeg(photo(1), channels=3)
    expected = slow_averages(image.numpy().astype(np.float64), size)
    places = np.empty((2, size, size, 3), np.uint8)
    decoding.fast_resize(size, antialias=True)(image.numpy(), places[0])
    decoding.exact_resize(size, antialias=True)(image.numpy(), places[1])
    # Half a level by rounding; Pillow rounds after each of two passes.
    assert np.abs(places[1] - expected).max() <= 0.51
    assert np.abs(places[0] - expected).max() <= 1.1


def test_jpeg_and_png_decode_to_rgb():
    assert decoding.decode(photo(1)).shape == (24, 40, 3)
    assert decoding.decode(photo(1, kind="PNG")).shape == (24, 40, 3)


def saved(mode="RGB", kind="JPEG", **settings):
    coarse = np.random.default_rng(5).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((61, 43), Image.Resampling.BICUBIC).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "encoded",
    [
        *(saved(quality=q, subsampling=s) for q, s in ((95, 0), (75, 1), (40, 2))),
        saved(progressive=True),
        saved(keep_rgb=True),
        saved("L"),
        saved("CMYK"),
        saved(kind="PNG"),
        saved("P", kind="PNG"),
        sampled([(1, 4), (1, 1), (1, 1)]),
        sampled([(2, 2), (2, 1), (1, 2)]),
        sampled([(2, 2), (1, 1), (1, 1), (1, 1)], before=jpeg.ADOBE_CMYK),
    ],
)
def test_the_host_decodes_to_tensorflows_very_values(encoded):
    expected = tf.io.decode_jpeg(encoded, channels=3).numpy()
    np.testing.assert_array_equal(decoding.decode_on_host(encoded), expected)


@pytest.mark.parametrize(
    "encoded", [b"", b"no image", saved()[:200], saved()[:-40], saved(kind="PNG")[:90]]
)
def test_what_does_not_decode_is_a_value_error(encoded):
    with pytest.raises(ValueError, match=r"."):
        decoding.decode_on_host(encoded)


def test_real_files_decode_alike_or_are_refused_alike(faults):
    for path in sorted(faults.iterdir()):
        encoded = path.read_bytes()
        try:
            expected = tf.io.decode_jpeg(encoded, channels=3).numpy()
        except tf.errors.InvalidArgumentError:
            expected = None
        if expected is None or expected.ndim != 3:
            with pytest.raises(ValueError, match=r"."):
                decoding.decode_on_host(encoded)
        else:
            np.testing.assert_array_equal(decoding.decode_on_host(encoded), expected, str(path))


def test_cmyk_without_a_marker_is_no_negative_on_the_host():
    # Stored samples are inverted: 255 is no ink. Full cyan and half black leave (0, 127, 127).
    levels = np.full((32, 32, 4), (0, 255, 255, 127), np.uint8)
    found = decoding.decode_on_host(cmyk_without_adobe(levels))
    assert np.abs(found.astype(int) - (0, 127, 127)).max() <= 6


def test_fast_resize_without_opencv_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(UserError, match="pip install opencv-python-headless, or use --input"):
        decoding.fast_resize(2)


@pytest.mark.parametrize("kind", ["RGB", "L", "LA", "RGBA", "P", "1", "16 bits"])
def test_png_files_decode_without_tensorflow_as_with_it(kind, monkeypatch):
    levels = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8)
    picture = Image.fromarray(levels)
    if kind == "16 bits":  # The low bytes are 7: the high ones are what is decoded.
        picture = Image.fromarray(levels[..., 0].astype(np.uint16) * 256 + 7)
    else:
        picture = picture.convert(kind)
    file = io.BytesIO()
    picture.save(file, "PNG")
    expected = decoding.decode_on_host(file.getvalue())
    monkeypatch.setattr(host_images, "_may_import_tensorflow", lambda: False)
    np.testing.assert_array_equal(decoding.decode_on_host(file.getvalue()), expected)
    if kind == "16 bits":
        np.testing.assert_array_equal(expected[..., 1], levels[..., 0])
