"""The graph resizes long photos as the builder's --max_side does, to the same pixels."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from glrtf.data import decoding
from glrtf.data.shrinking import decode_shrunk, shrink, thumbnail
from tfrecords_tools import images

MAX_SIDE = 120


def detailed(height, width, seed=0):
    """Squares of 3 pixels in random colours."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (height // 3 + 1, width // 3 + 1, 3), dtype=np.uint8)
    return np.repeat(np.repeat(coarse, 3, axis=0), 3, axis=1)[:height, :width]


def encoded(picture, **settings):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", **settings)
    return buffer.getvalue()


@pytest.mark.parametrize("max_side", [17, 120, 800])
def test_sides_are_pillows(max_side):
    generator = np.random.default_rng(0)
    for height, width in generator.integers(1, 2000, (60, 2)):
        picture = Image.new("L", (int(width), int(height)))
        picture.thumbnail((max_side, max_side))
        empty = tf.zeros([int(height), int(width), 3], tf.uint8)
        assert thumbnail(empty, max_side).shape[:2] == picture.size[::-1]


@pytest.mark.parametrize(
    "shape",
    [
        (260, 440),
        # Four times too long or more: Pillow averages blocks of 2 to 4 pixels first. Here the last
        # blocks are not whole: 1003 = 4 * 250 + 3, 601 = 4 * 150 + 1.
        (601, 1003),
        (727, 50),
        (50, 485),
    ],
)
def test_the_graph_shrinks_as_pillow_does(shape):
    picture = detailed(*shape)
    expected = Image.fromarray(picture)
    expected.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    for found in (
        thumbnail(tf.constant(picture), MAX_SIDE),
        thumbnail(tf.constant(np.stack([picture, picture])), MAX_SIDE)[1],
    ):
        difference = np.abs(found.numpy().astype(int) - np.asarray(expected))
        # Pillow computes in fixed point: now and then it rounds a half the other way.
        assert difference.max() <= 1 and difference.mean() < 0.01


@pytest.mark.parametrize("shape", [(260, 440), (601, 1003)])
def test_a_long_photo_comes_out_as_the_builders(shape):
    data = encoded(detailed(*shape), quality=90)
    expected = decoding.decode_on_host(images.shrink(data, MAX_SIDE)).astype(int)
    found = decode_shrunk(tf.constant(data), MAX_SIDE).numpy()
    assert found.shape == expected.shape
    difference = np.abs(found - expected)
    # A level that is rounded the other way can move a coefficient of the JPEG by one step.
    assert difference.max() <= 8 and difference.mean() < 0.1
    # The JPEG in between matters: without it more than a tenth of a level on average is lost.
    raw = thumbnail(decoding.decode(tf.constant(data), exactly=True), MAX_SIDE).numpy()
    assert np.abs(raw - expected).mean() > 1
    batch = shrink(decoding.decode(tf.constant(data), exactly=True)[None], MAX_SIDE)
    np.testing.assert_array_equal(batch[0], found)


def test_shorter_photos_are_left_alone():
    picture = tf.constant(detailed(100, MAX_SIDE))
    np.testing.assert_array_equal(shrink(picture, MAX_SIDE), picture)
    np.testing.assert_array_equal(shrink(picture, None), picture)
    data = encoded(picture.numpy())
    assert images.shrink(data, MAX_SIDE) is data
    assert images.shrink(data, None) is data
    kept = decode_shrunk(tf.constant(data), MAX_SIDE)
    np.testing.assert_array_equal(kept, decoding.decode_on_host(data))
