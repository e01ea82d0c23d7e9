import numpy as np
import pytest
import tensorflow as tf

from glrtf.data import linear_resize


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [(37, 61, 96), (375, 500, 128), (1, 7, 32), (1, 1, 32), (33, 32, 32), (90, 120, 60)],
)
def test_values_are_those_of_tensorflow(height, width, size):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    place = np.zeros((size, size, 3), np.uint8)
    linear_resize.resize(image, place)
    expected = tf.round(tf.image.resize(image, [size, size])).numpy()
    np.testing.assert_array_equal(place, expected)
