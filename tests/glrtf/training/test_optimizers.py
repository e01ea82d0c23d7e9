import collections

import keras
import numpy as np
import pytest
import tensorflow as tf

from glrtf.models.pooling import AtLeastOne
from glrtf.training.optimizers import Updater, is_decayed


def updated(name, decay=0.0, updates=3):
    variables = [
        keras.Variable(np.float32([1.0, -2.0]), name="kernel"),
        keras.Variable(np.float32([0.5]), name="bias"),
    ]
    updater = Updater(name, 0.1, variables, decay)
    gradients = [tf.constant([0.3, 0.1]), tf.constant([-0.2])]
    for _ in range(updates):
        updater.apply(tf.distribute.get_strategy(), gradients)
    assert int(updater.iterations.numpy()) == updates
    return [v.numpy() for v in variables]


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("adam", keras.optimizers.Adam(0.1)),
        ("lamb", keras.optimizers.Lamb(0.1)),
        ("sgd", keras.optimizers.SGD(0.1, momentum=0.9)),
    ],
)
def test_without_decay_updates_are_those_of_keras(name, plain):
    variables = [keras.Variable(np.float32([1.0, -2.0])), keras.Variable(np.float32([0.5]))]
    for _ in range(3):
        plain.apply([tf.constant([0.3, 0.1]), tf.constant([-0.2])], variables)
    # TensorFlow's kernel subtracts the float32 β₂ from 1, which is 1.3e-5 less than Keras' 0.001.
    for ours, theirs in zip(updated(name), variables, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-5)


def slow_adam(weights, gradient, updates):
    """Algorithm 1 of arXiv 1412.6980, reordered as at the end of its section 2, in float64."""
    weights, gradient = np.float64(weights), np.float64(gradient)
    b1, b2 = np.float64(np.float32([0.9, 0.999]))  # As the kernel has them.
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    for step in range(1, updates + 1):
        first = b1 * first + (1 - b1) * gradient
        second = b2 * second + (1 - b2) * gradient**2
        alpha = 0.1 * np.sqrt(1 - b2**step) / (1 - b1**step)
        weights = weights - alpha * first / (np.sqrt(second) + 1e-7)
    return weights


def test_adam_is_that_of_its_paper():
    kernel, bias = updated("adam", updates=5)
    np.testing.assert_allclose(kernel, slow_adam([1.0, -2.0], [0.3, 0.1], 5), rtol=1e-5)
    np.testing.assert_allclose(bias, slow_adam([0.5], [-0.2], 5), rtol=1e-5)


def test_a_variable_adds_one_operation_that_updates_it():
    variables = [keras.Variable(np.zeros(2)) for _ in range(5)]
    updater = Updater("adam", 0.1, variables)

    @tf.function(autograph=False)
    def update(gradient):
        updater.apply(tf.distribute.get_strategy(), [gradient] * len(variables))

    graph = update.get_concrete_function(tf.TensorSpec([2])).graph
    kinds = collections.Counter(op.type for op in graph.get_operations())
    assert kinds["ResourceApplyAdam"] == len(variables)
    assert kinds["Pow"] == 2  # Of β₁ and β₂, for all variables.


def test_decay_is_that_of_keras_adamw_and_leaves_biases_alone():
    plain = keras.optimizers.AdamW(0.1, weight_decay=0.2)
    kernel = keras.Variable(np.float32([1.0, -2.0]), name="kernel")
    for _ in range(3):
        plain.apply([tf.constant([0.3, 0.1])], [kernel])
    with_decay, without = updated("adamw", 0.2), updated("adamw")
    np.testing.assert_allclose(with_decay[0], kernel.numpy(), rtol=1e-5)
    np.testing.assert_array_equal(with_decay[1], without[1])
    assert np.abs(with_decay[0] - without[0]).max() > 1e-3


def test_batchnorm_and_biases_are_not_decayed():
    names = ("kernel", "depthwise_kernel", "centers", "gamma", "beta", "bias", "power")
    decayed = [n for n in names if is_decayed(keras.Variable(0.0, name=n))]
    assert decayed == ["kernel", "depthwise_kernel", "centers"]


def test_a_constraint_holds_after_every_update():
    power = keras.Variable(1.05, name="power")
    power.constraint = AtLeastOne()
    updater = Updater("sgd", 0.1, [power])
    values = []
    for _ in range(2):
        updater.apply(tf.distribute.get_strategy(), [tf.constant(0.3)])
        values.append(float(power.numpy()))
    assert values == [pytest.approx(1.02), 1.0]


def test_an_unknown_optimizer_is_named():
    with pytest.raises(ValueError, match="found 'adagrad'"):
        Updater("adagrad", 0.1, [keras.Variable(0.0)])


def slow_lamb(weights, gradient, decay, updates):
    """Algorithm 2 of arXiv 1904.00962 with phi(x) = x, in float64."""
    weights, gradient = np.float64(weights), np.float64(gradient)
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    for step in range(1, updates + 1):
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        mean, spread = first / (1 - 0.9**step), np.sqrt(second / (1 - 0.999**step))
        update = mean / (spread + 1e-7) + decay * weights
        ratio = np.linalg.norm(weights) / np.linalg.norm(update)
        weights = weights - 0.1 * ratio * update
    return weights


@pytest.mark.parametrize("decay", [0.0, 0.2, 2.0])
def test_lambs_decay_is_inside_the_trust_ratio(decay):
    kernel, bias = updated("lamb", decay)
    np.testing.assert_allclose(kernel, slow_lamb([1.0, -2.0], [0.3, 0.1], decay, 3), rtol=1e-5)
    np.testing.assert_allclose(bias, slow_lamb([0.5], [-0.2], 0.0, 3), rtol=1e-5)


def test_lamb_scales_a_convolution_by_all_of_its_kernel():
    kernel = keras.Variable(np.linspace(-1, 2, 24, dtype="float32").reshape(2, 3, 2, 2))
    start, gradient = kernel.numpy(), np.full((2, 3, 2, 2), 0.3, np.float32)
    updater = Updater("lamb", 0.1, [kernel])
    updater.apply(tf.distribute.get_strategy(), [tf.constant(gradient)])
    expected = slow_lamb(start.ravel(), gradient.ravel(), 0.0, 1).reshape(start.shape)
    np.testing.assert_allclose(kernel.numpy(), expected, rtol=1e-5)
