import keras
import numpy as np
import pytest

from glrtf.models.necks import add_neck

ROWS = np.array([[1.0, -2.0], [3.0, 2.0]], np.float32)
# Means 2 and 0, variances 1 and 4.
NORMED = np.array([[-1.0, -1.0], [1.0, 1.0]], np.float32)


def model(kind):
    rows = keras.Input((2,))
    return keras.Model(rows, add_neck(rows, kind))


def test_no_neck_adds_nothing():
    assert not model("none").weights


def test_bnneck_normalises_without_offset():
    neck = model("bn")
    assert [v.name for v in neck.trainable_variables] == ["gamma"]
    np.testing.assert_allclose(neck(ROWS, training=True), NORMED, atol=1e-4)
    # The statistics have moved a tenth of the way from 0 and 1 to the batch's.
    np.testing.assert_allclose(neck.non_trainable_variables[0], [0.2, 0.0], atol=1e-6)
    np.testing.assert_allclose(neck.non_trainable_variables[1], [1.0, 1.3], atol=1e-6)


def test_prelu_has_one_slope_for_negative_values():
    neck = model("prelu")
    assert {v.name: v.shape for v in neck.trainable_variables} == {
        **{"gamma": (2,), "beta": (2,), "alpha": (1,)}
    }
    np.testing.assert_allclose(neck(ROWS, training=True), [[-0.25, -0.25], [1.0, 1.0]], atol=1e-4)


def test_another_neck_is_refused():
    with pytest.raises(ValueError, match="neck: expected none, bn or prelu, found 'relu'"):
        add_neck(ROWS, "relu")
