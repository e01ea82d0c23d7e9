import numpy as np
import pytest
import tensorflow as tf

from glrtf.inference.tta import embed_views, view


def mean_left_and_right(images):
    """Rows (left half's mean, right half's mean), not normalised: (b, 2)."""
    values = tf.cast(images, tf.float32)
    middle = values.shape[2] // 2
    halves = (values[:, :, :middle], values[:, :, middle:])
    return tf.stack([tf.reduce_mean(half, [1, 2, 3]) for half in halves], axis=1)


def test_views_are_normalised_before_and_after_they_are_added():
    images = np.zeros((1, 2, 4, 3), np.uint8)
    images[:, :, :2], images[:, :, 2:] = 30, 40
    # plain (30, 40) -> (.6, .8); hflip (40, 30) -> (.8, .6); sum (1.4, 1.4) -> 1/sqrt 2 each.
    rows = embed_views(mean_left_and_right, images, ("plain", "hflip"))
    np.testing.assert_allclose(rows, [[0.5**0.5, 0.5**0.5]], rtol=1e-6)
    np.testing.assert_allclose(
        embed_views(mean_left_and_right, images, ("plain",)), [[0.6, 0.8]], rtol=1e-6
    )


def test_hflip_mirrors_columns():
    images = np.arange(24, dtype=np.uint8).reshape(1, 2, 4, 3)
    np.testing.assert_array_equal(view(images, "hflip"), images[:, :, [3, 2, 1, 0]])


def test_unknown_view():
    with pytest.raises(ValueError, match="no view 'upside down'"):
        view(np.zeros((1, 2, 2, 3), np.uint8), "upside down")
