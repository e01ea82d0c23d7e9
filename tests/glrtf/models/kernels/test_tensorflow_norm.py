import keras
import numpy as np
import pytest
import tensorflow as tf

from glrtf.models.kernels.tensorflow_norm import BatchNormalization

EPSILON, MOMENTUM = 1e-3, 0.9


def fused_operations(layer, shape, training=True):
    """How many fused operations the traced layer has."""
    traced = tf.function(lambda x: layer(x, training=training), autograph=False)
    graph = traced.get_concrete_function(tf.TensorSpec(shape, layer.compute_dtype)).graph
    return sum(each.type == "FusedBatchNormV3" for each in graph.get_operations())


@pytest.fixture
def layer():
    result = BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, dtype="float32")
    result.build((None, 3, 5, 4))
    generator = np.random.default_rng(1)
    for each in result.weights:
        each.assign(generator.uniform(0.5, 2.0, 4))
    return result


@pytest.mark.parametrize("count", [1, 6])
def test_training_is_that_of_the_definition(layer, count):
    """In float64: y = γ (x − μ) / √(σ² + ε) + β over images, rows and columns, σ² divided by n."""
    generator = np.random.default_rng(2)
    x = generator.normal(3.0, 2.0, (count, 3, 5, 4))
    up = generator.normal(size=x.shape)
    gamma, beta, moving_mean, moving_variance = (
        each.numpy().astype(np.float64) for each in layer.weights
    )
    axes, n = (0, 1, 2), count * 15
    mean, variance = x.mean(axes), x.var(axes)
    normal = (x - mean) / np.sqrt(variance + EPSILON)
    # The gradient with μ and σ² as functions of x (Ioffe and Szegedy, arXiv 1502.03167).
    centred = n * up - up.sum(axes) - normal * (up * normal).sum(axes)
    expected = gamma / np.sqrt(variance + EPSILON) / n * centred

    with tf.GradientTape() as tape:
        inputs = tf.Variable(x, dtype=tf.float32)
        outputs = layer(inputs, training=True)
        loss = tf.reduce_sum(outputs * up.astype(np.float32))
    sources = [inputs, *(each.value for each in layer.trainable_variables)]
    to_inputs, to_gamma, to_beta = tape.gradient(loss, sources)

    np.testing.assert_allclose(outputs, gamma * normal + beta, atol=1e-5)
    np.testing.assert_allclose(to_inputs, expected, atol=1e-5)
    np.testing.assert_allclose(to_gamma, (up * normal).sum(axes), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(to_beta, up.sum(axes), rtol=1e-4, atol=1e-4)
    moved = MOMENTUM * moving_mean + (1 - MOMENTUM) * mean
    np.testing.assert_allclose(layer.moving_mean, moved, rtol=1e-5)
    moved = MOMENTUM * moving_variance + (1 - MOMENTUM) * variance
    np.testing.assert_allclose(layer.moving_variance, moved, rtol=1e-5)


def test_one_value_a_channel(layer):
    """Its variance is 0, not a division by n - 1 = 0."""
    before = layer.moving_variance.numpy()
    outputs = layer(tf.fill([1, 1, 1, 4], 7.0), training=True)
    np.testing.assert_allclose(outputs[0, 0, 0], layer.beta, rtol=1e-6)
    np.testing.assert_allclose(layer.moving_variance, before * MOMENTUM, rtol=1e-6)


def test_it_is_fused_in_training(layer):
    assert fused_operations(layer, [2, 3, 5, 4]) == 1
    assert fused_operations(layer, [None, 3, 5, 4]) == 1
    assert fused_operations(layer, [2, 3, 5, 4], training=False) == 0
    layer.trainable = False
    assert fused_operations(layer, [2, 3, 5, 4]) == 0


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"dtype": "mixed_bfloat16"}, [2, 3, 5, 4]),
        ({"synchronized": True}, [2, 3, 5, 4]),
        ({"scale": False}, [2, 3, 5, 4]),
        ({"axis": 1}, [2, 3, 5, 4]),
        ({}, [8, 4]),
    ],
)
def test_keras_computes_what_would_differ(options, shape):
    ours, theirs = BatchNormalization(**options), keras.layers.BatchNormalization(**options)
    assert fused_operations(ours, shape) == 0
    x = tf.random.stateless_normal(shape, [1, 2], dtype=ours.compute_dtype)
    np.testing.assert_array_equal(ours(x, training=True), theirs(x, training=True))
    np.testing.assert_array_equal(ours.moving_variance, theirs.moving_variance)
