import numpy as np
import pytest
import tensorflow as tf

from glrtf.inference.sides import scaled_side
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
    rows = embed_views(mean_left_and_right, [images], ("plain", "hflip"))
    np.testing.assert_allclose(rows, [[0.5**0.5, 0.5**0.5]], rtol=1e-6)
    np.testing.assert_allclose(
        embed_views(mean_left_and_right, [images], ("plain",)), [[0.6, 0.8]], rtol=1e-6
    )


def test_every_scale_counts_alike():
    small, large = np.zeros((1, 2, 4, 3), np.uint8), np.zeros((1, 4, 8, 3), np.uint8)
    small[:, :, :2], small[:, :, 2:] = 30, 40
    large[:, :, :4] = 200
    # (.6, .8) + (1, 0) = (1.6, .8), of length sqrt 3.2.
    rows = embed_views(mean_left_and_right, [small, large], ("plain",))
    np.testing.assert_allclose(rows, [[1.6 / 3.2**0.5, 0.8 / 3.2**0.5]], rtol=1e-6)


@pytest.mark.parametrize(
    # 640 / sqrt 2 = 452.5 = 14.1 x 32; 732 at scale 1 stays although 32 does not divide it.
    ("size", "scale", "side"),
    [(640, 0.7071, 448), (640, 1.4142, 896), (732, 1, 732), (64, 0.1, 32)],
)
def test_sides_are_multiples_of_the_stride(size, scale, side):
    assert scaled_side(size, scale) == side


def test_hflip_mirrors_columns():
    images = np.arange(24, dtype=np.uint8).reshape(1, 2, 4, 3)
    np.testing.assert_array_equal(view(images, "hflip"), images[:, :, [3, 2, 1, 0]])


def test_unknown_view():
    with pytest.raises(ValueError, match="no view 'upside down'"):
        view(np.zeros((1, 2, 2, 3), np.uint8), "upside down")
