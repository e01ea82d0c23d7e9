"""BatchNorm by TensorFlow's fused kernel is Keras' BatchNorm."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from fake_tpu import fake_tpu_strategy

from glrtf.models import kernels
from glrtf.models.kernels.tensorflow_norm import traced_for_tpu

OPTIONS = {"momentum": 0.9, "epsilon": 1e-3}
FUSED = "FusedBatchNormV3"


def inputs(shape=(4, 3, 2, 5)):
    """Activations far from zero mean and unit variance, and weights of a loss."""
    return np.random.default_rng(0).normal(2.0, 3.0, (2, *shape)).astype(np.float32)


def trained(kind, x, weights, dtype="float32", **options):
    """Outputs, moving averages and gradients of a step, by name."""
    layer = kind(**OPTIONS, dtype=dtype, **options)
    layer.build(x.shape)
    for variable in layer.trainable_variables:
        variable.assign(np.linspace(0.5, 2, x.shape[-1]))
    x = tf.cast(x, layer.compute_dtype)

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x, training=True)
            loss = tf.reduce_sum(tf.cast(outputs, tf.float32) * weights)
        learned = [variable.value for variable in layer.trainable_variables]
        return outputs, tape.gradient(loss, [x, *learned], unconnected_gradients="zero")

    outputs, gradients = step()
    assert outputs.dtype == gradients[0].dtype == x.dtype
    found = {"outputs": outputs, "mean": layer.moving_mean, "variance": layer.moving_variance}
    found |= {f"gradient {place}": value for place, value in enumerate(gradients)}
    return {name: np.asarray(value, np.float32) for name, value in found.items()}


def operations(layer, shape):
    """The types of operations of a training step of the layer."""
    spec = tf.TensorSpec(shape, layer.compute_dtype)
    run = tf.function(lambda x: layer(x, training=True), autograph=False)
    return {op.type for op in run.get_concrete_function(spec).graph.get_operations()}


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    # bfloat16 has 8 bits: values up to 10 are rounded by up to 1/32.
    [("float32", 1e-5), ("mixed_bfloat16", 0.04)],
)
@pytest.mark.parametrize(
    "shape",
    # A single pixel has no variance, and no degree of freedom to divide it by.
    [(4, 3, 2, 5), (1, 1, 1, 5)],
)
@pytest.mark.parametrize(
    "options",
    [{}, {"center": False}, {"trainable": False}, {"synchronized": True}],
    ids=["both", "no offset", "frozen", "synchronized"],
)
def test_steps_are_those_of_keras(options, shape, dtype, tolerance):
    x, weights = inputs(shape)
    ours = trained(kernels.BatchNormalization, x, weights, dtype, **options)
    theirs = trained(keras.layers.BatchNormalization, x, weights, dtype, **options)
    for name, expected in theirs.items():
        np.testing.assert_allclose(
            ours[name], expected, rtol=tolerance, atol=tolerance, err_msg=name
        )


def test_the_moving_variance_divides_by_the_count():
    # Two pixels, -1 and 1: variance (1 + 1) / 2 = 1, and 0.9 · 1 + 0.1 · 1 = 1. With one degree of
    # freedom less it were 2, and 1.1.
    layer = kernels.BatchNormalization(**OPTIONS)
    layer(np.array([-1, 1], np.float32).reshape(2, 1, 1, 1), training=True)
    np.testing.assert_allclose(layer.moving_variance, [1.0], rtol=1e-6)


def test_images_are_normalized_by_the_fused_kernel_except_on_tpus():
    layer = kernels.BatchNormalization(**OPTIONS)
    layer.build((None, None, None, 5))
    shape = (4, 3, 2, 5)
    assert FUSED in operations(layer, shape)
    with traced_for_tpu():
        assert FUSED not in operations(layer, shape)
    strategy = fake_tpu_strategy()
    with strategy.scope():
        on_tpu = kernels.BatchNormalization(**OPTIONS)
        on_tpu.build((None, None, None, 5))

    @tf.function(autograph=False)
    def run(x):
        return strategy.run(lambda x: on_tpu(x, training=True), args=(x,))

    graph = run.get_concrete_function(tf.TensorSpec(shape)).graph.as_graph_def()
    found = {node.op for node in graph.node}
    found |= {node.op for function in graph.library.function for node in function.node_def}
    assert "SquaredDifference" in found and FUSED not in found


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((4, 5), {}),
        ((4, 3, 2, 5), {"axis": 1}),
        ((4, 3, 2, 5), {"epsilon": 1e-6}),
        ((4, 3, 2, 5), {"scale": False}),
        ((4, 3, 2, 5), {"synchronized": True}),
        ((4, 3, 2, 5), {"dtype": "float64"}),
        ((4, 3, 2, 5), {"dtype": "bfloat16"}),
    ],
)
def test_what_the_kernel_does_not_compute_is_left_to_keras(shape, options):
    layer = kernels.BatchNormalization(**{**OPTIONS, **options})
    layer.build(shape)
    assert FUSED not in operations(layer, shape)
