import sys

import numpy as np
import pytest
import tensorflow as tf
from shard_writing import photo

from glrtf.data import decoding
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
    assert np.abs(decoding.fast_resize(image, size).numpy().astype(int) - expected).max() <= 1


def test_jpeg_and_png_decode_to_rgb():
    assert decoding.decode(photo(1)).shape == (24, 40, 3)
    assert decoding.decode(photo(1, kind="PNG")).shape == (24, 40, 3)


def test_fast_resize_without_opencv_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(UserError, match="pip install opencv-python-headless, or use --input"):
        decoding.fast_resize(tf.zeros([4, 4, 3], tf.uint8), 2)
