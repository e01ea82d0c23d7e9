import keras
import numpy as np
import pytest
import tensorflow as tf

from glrtf.models.pooling import AtLeastOne, GeMPooling, build_pooling


def features():
    return np.random.default_rng(0).uniform(0.1, 2.0, (2, 3, 4, 5)).astype(np.float32)


@pytest.mark.parametrize("power", [1.0, 3.0, 6.5])
def test_gem_is_the_generalised_mean(power):
    x = features()
    expected = np.mean(x.astype(np.float64) ** power, axis=(1, 2)) ** (1 / power)
    np.testing.assert_allclose(GeMPooling(power)(x), expected, rtol=1e-5)


def test_at_power_one_gem_is_the_average_and_far_up_the_maximum():
    x = features()
    np.testing.assert_allclose(GeMPooling(1.0)(x), build_pooling("avg")(x), rtol=1e-6)
    # 12 places: the mean of powers is at least max^p / 12, and 12^(1/p) is near 1.
    np.testing.assert_allclose(GeMPooling(60.0)(x), x.max(axis=(1, 2)), rtol=0.05)


def test_the_power_is_trained_by_a_finite_slope_even_where_features_vanish():
    pooling = GeMPooling(3.0)
    x = tf.cast(features() * [[[[0.0, -1.0, 1.0, 1.0, 1.0]]]], tf.bfloat16)
    with tf.GradientTape() as tape:
        tape.watch(x)
        pooled = pooling(x)
        total = tf.reduce_sum(pooled)
    to_power, to_x = tape.gradient(total, [pooling.power.value, x])
    assert pooled.dtype == tf.float32
    assert np.isfinite(to_power.numpy())
    assert np.isfinite(tf.cast(to_x, tf.float32).numpy()).all()
    # By central differences in float64, of the features that did not vanish.
    kept = tf.cast(x, tf.float64).numpy()[..., 2:]

    def pooled_sum(power):
        return np.sum(np.mean(kept**power, axis=(1, 2)) ** (1 / power))

    expected = (pooled_sum(3 + 1e-5) - pooled_sum(3 - 1e-5)) / 2e-5
    # Two of the five are at the floor, which adds nothing to the slope.
    assert to_power.numpy() == pytest.approx(expected, rel=1e-3)


def test_the_power_stays_at_one_or_above():
    assert AtLeastOne()(tf.constant(0.3)).numpy() == 1.0
    assert AtLeastOne()(tf.constant(2.5)).numpy() == 2.5


def test_the_layer_is_rebuilt_from_its_settings():
    again = keras.layers.deserialize(keras.layers.serialize(GeMPooling(4.0, epsilon=1e-4)))
    assert (again.initial_power, again.epsilon) == (4.0, 1e-4)


def test_an_unknown_pooling_is_named():
    with pytest.raises(ValueError, match="expected avg, gem or cls, found 'max'"):
        build_pooling("max")
