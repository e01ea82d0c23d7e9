"""The resize in NumPy gives TensorFlow's pixels."""

import numpy as np
import pytest
import tensorflow as tf

from glrtf.data import decoding, numpy_resize


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize(
    ("height", "width", "size"),
    [(48, 64, 64), (301, 203, 64), (203, 301, 224), (31, 17, 96), (1, 1, 32), (600, 800, 640)],
)
def test_it_equals_tensorflow(height, width, size, antialias):
    rng = np.random.default_rng(height)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    expected = decoding.resize(tf.constant(image), size, antialias).numpy()
    np.testing.assert_array_equal(numpy_resize.resize(image, size, antialias), expected)
