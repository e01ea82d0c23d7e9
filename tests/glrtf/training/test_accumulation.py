import collections

import numpy as np
import pytest
import tensorflow as tf
from fake_tpu import fake_tpu_strategy
from tf_devices import two_replicas
from tiny_models import tiny_model

from glrtf.training.accumulation import TrainStep, average_statistics, statistics
from glrtf.training.averaging import WeightAverage
from glrtf.training.optimizers import Updater


def to_float(images, replica, number):
    return tf.cast(images, tf.float32) / 255.0, None


def one_cpu():
    return tf.distribute.OneDeviceStrategy("/cpu:0")


def batches(count, size, seed=0):
    rng = np.random.default_rng(seed)
    return [
        (
            rng.integers(0, 256, (size, 6, 6, 3)).astype(np.uint8),
            rng.integers(0, 5, size).astype(np.int32),
        )
        for _ in range(count)
    ]


def trained(
    strategy, data, accumulation_steps, *, optimizer="adam", decay=0.0, clip=0.0, batch_norm=False,
    dropout=0.0, sync=False, ema=0.0, after=lambda model: None,
):  # fmt: skip
    """Weights (and what else there is) after an update on each of `data`; `after` sees each."""
    with strategy.scope():
        model = tiny_model(batch_norm=batch_norm, dropout=dropout, sync=sync)
        updater = Updater(optimizer, 1e-2, model.trainable_variables, decay)
        average = WeightAverage(model.trainable_variables, ema, updater.iterations) if ema else None
    step = TrainStep(
        model,
        updater,
        accumulation_steps=accumulation_steps,
        prepare=to_float,
        clip_norm=clip,
        average=average,
    )

    @tf.function(autograph=False, jit_compile=False)
    def run(batch):
        return strategy.experimental_local_results(strategy.run(step, args=batch))

    metrics = []
    for images, labels in data:
        metrics.append([m.numpy() for m in run(_dealt(strategy, images, labels))])
        after(model)
    return model, average, metrics


def _dealt(strategy, images, labels):
    """The batch cut in equal parts, one a replica, in order."""
    count = len(images) // strategy.num_replicas_in_sync

    def part(values):
        return strategy.experimental_distribute_values_from_function(
            lambda c: tf.constant(values[c.replica_id_in_sync_group * count :][:count])
        )

    return part(images), part(labels)


def assert_same_weights(model, other, tolerance=1e-6):
    for ours, theirs in zip(model.trainable_variables, other.trainable_variables, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=0, atol=tolerance)


def first_weights():
    return [v.numpy() for v in tiny_model().trainable_variables]


@pytest.fixture(scope="module")
def whole():
    """What updates on big batches of 60 make."""
    return trained(one_cpu(), batches(4, 60), 1)[0]


@pytest.mark.parametrize("steps", [2, 3, 4, 5, 6])
def test_micro_batches_make_the_update_of_the_big_batch(whole, steps):
    split, _, _ = trained(one_cpu(), batches(4, 60), steps)
    assert_same_weights(whole, split)
    moved = [
        np.abs(v.numpy() - before).max()
        for v, before in zip(whole.trainable_variables, first_weights(), strict=True)
    ]
    assert min(moved) > 1e-3  # Else equality would say nothing.


@pytest.mark.parametrize(
    ("optimizer", "decay", "clip"),
    [("adam", 0.0, 0.0), ("adamw", 0.1, 0.0), ("adam", 0.0, 0.05), ("sgd", 0.01, 0.05)],
)
def test_two_replicas_make_the_update_of_one_with_the_whole_batch(optimizer, decay, clip):
    data = batches(4, 24)
    settings = {"optimizer": optimizer, "decay": decay, "clip": clip}
    whole, _, metrics = trained(one_cpu(), data, 1, **settings)
    split, _, _ = trained(two_replicas(), data, 3, **settings)
    if clip:
        assert min(m[0][2] for m in metrics) > clip  # Clipping did act.
    assert_same_weights(whole, split)


def test_the_first_update_is_that_of_keras_on_the_mean_loss():
    # The plain way: one tape over the whole batch and Keras's own apply.
    [(images, labels)] = batches(1, 12)
    ours, _, _ = trained(one_cpu(), [(images, labels)], 3)
    import keras

    plain = tiny_model()
    optimizer = keras.optimizers.Adam(1e-2)
    with tf.GradientTape() as tape:
        rows = plain.embedding_model(tf.cast(images, tf.float32) / 255.0, training=True)
        logits, _ = plain.head(rows, labels)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        loss = tf.reduce_mean(losses)
    optimizer.apply(tape.gradient(loss, plain.trainable_variables), plain.trainable_variables)
    assert_same_weights(ours, plain)


def test_metrics_are_the_loss_the_margin_free_accuracy_and_the_gradient_norm():
    [(images, labels)] = batches(1, 12)
    model = tiny_model()
    floats = tf.cast(images, tf.float32) / 255.0
    variables = model.trainable_variables
    with tf.GradientTape() as tape:
        logits, cosines = model.head(model.embedding_model(floats), labels)
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        )
    gradients = tape.gradient(loss, variables)
    norm = np.sqrt(sum(np.sum(np.square(g.numpy())) for g in gradients))
    accuracy = np.mean(np.argmax(cosines.numpy(), axis=1) == labels)
    _, _, metrics = trained(one_cpu(), [(images, labels)], 3)
    np.testing.assert_allclose(metrics[0][0], [loss.numpy(), accuracy, norm], rtol=1e-5)


def test_mixed_micro_batches_have_losses_of_both_labels():
    [(images, labels)] = batches(1, 12)
    share = tf.constant([0.7, 0.2, 1.0])
    model = tiny_model()
    updater = Updater("sgd", 0.0, model.trainable_variables)
    # Each image of a micro-batch of 3 with the next one; the pictures are left as they are.
    step = TrainStep(
        model,
        updater,
        accumulation_steps=4,
        prepare=lambda images, replica, number: (
            tf.cast(images, tf.float32) / 255.0,
            (tf.constant([1, 2, 0]), share),
        ),
    )
    metrics = one_cpu().run(tf.function(step, autograph=False), args=(images, labels))
    expected = []
    for part, own in zip(np.split(images, 4), np.split(labels, 4), strict=True):
        rows = model.embedding_model(tf.cast(part, tf.float32) / 255.0)
        first, _ = model.head.losses(rows, own)
        second, _ = model.head.losses(rows, own[[1, 2, 0]])
        expected.append(share * first + (1 - share) * second)
    assert metrics[0].numpy() == pytest.approx(np.mean(expected), rel=1e-5)


def test_statistics_move_as_by_one_small_batch_after_the_other():
    [(images, labels)] = batches(1, 12)
    model, _, _ = trained(one_cpu(), [(images, labels)], 3, batch_norm=True)
    plain = tiny_model(batch_norm=True)
    for part in np.split(images, 3):
        plain.embedding_model(tf.cast(part, tf.float32) / 255.0, training=True)
    for ours, theirs in zip(statistics(model), statistics(plain), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5)


def test_statistics_differ_between_replicas_until_they_are_averaged():
    strategy = two_replicas()
    model, _, _ = trained(strategy, batches(2, 24), 2, batch_norm=True)
    mean = statistics(model)[0]
    before = [v.numpy() for v in strategy.experimental_local_results(mean.value)]
    assert np.abs(before[0] - before[1]).max() > 1e-4

    @tf.function(autograph=False)
    def average():
        strategy.run(average_statistics, args=(model,))

    average()
    after = [v.numpy() for v in strategy.experimental_local_results(mean.value)]
    np.testing.assert_allclose(after[0], (before[0] + before[1]) / 2, rtol=1e-6)
    np.testing.assert_array_equal(after[0], after[1])


@pytest.mark.parametrize("steps", [1, 2])
def test_synchronised_statistics_are_those_of_the_whole_micro_batch(steps):
    data = batches(2, 24)
    # Not Adam: a bias before a BatchNorm has no slope, and Adam would blow up its rounding.
    settings = {"batch_norm": True, "optimizer": "sgd"}
    split, _, _ = trained(two_replicas(), data, steps, sync=True, **settings)
    # Each replica cuts its half into micro-batches: one device sees their first parts together.
    together = [(_interleaved(i, steps), _interleaved(labels, steps)) for i, labels in data]
    whole, _, _ = trained(one_cpu(), together, steps, **settings)
    assert_same_weights(whole, split, 1e-5)
    for ours, theirs in zip(statistics(whole), statistics(split), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=0, atol=1e-5)


def _interleaved(values, steps):
    """Parts (replica, micro-batch) in the order (micro-batch, replica)."""
    parts = values.reshape(2, steps, len(values) // (2 * steps), *values.shape[1:])
    return parts.swapaxes(0, 1).reshape(values.shape)


def test_dropout_differs_between_replicas_micro_batches_and_updates():
    # The same image everywhere: without dropout all losses would be equal.
    images = np.full((4, 6, 6, 3), 100, np.uint8)
    labels = np.zeros(4, np.int32)
    strategy = two_replicas()
    with strategy.scope():
        model = tiny_model(dropout=0.5)
        updater = Updater("sgd", 0.0, model.trainable_variables)
    step = TrainStep(model, updater, accumulation_steps=1, prepare=to_float)

    @tf.function(autograph=False, jit_compile=False)
    def run(batch):
        return strategy.experimental_local_results(strategy.run(step, args=batch))

    losses = [m.numpy()[0] for _ in range(3) for m in run(_dealt(strategy, images, labels))]
    assert len(set(losses)) == len(losses)


def test_the_moving_average_follows_the_weights_with_a_warm_up():
    # After update t (from 1): m = min(0.9, (1 + t) / (10 + t)) = 2/11, 3/12, …
    weights = []
    _, average, _ = trained(
        *(one_cpu(), batches(3, 12), 1),
        ema=0.9,
        after=lambda model: weights.append([v.numpy() for v in model.trainable_variables]),
    )
    expected = first_weights()
    for t, now in enumerate(weights, 1):
        m = min(0.9, (1 + t) / (10 + t))
        expected = [m * e + (1 - m) * w for e, w in zip(expected, now, strict=True)]
    assert len(weights) == 3
    for got, want in zip(average.variables, expected, strict=True):
        np.testing.assert_allclose(got.numpy(), want, atol=1e-6)


def test_under_tpu_strategy_there_is_one_sum_a_variable_and_none_in_the_loop():
    strategy = fake_tpu_strategy()
    with strategy.scope():
        model = tiny_model(batch_norm=True, dropout=0.5)
        updater = Updater("adam", 1e-2, model.trainable_variables, 0.1)
        average = WeightAverage(model.trainable_variables, 0.99, updater.iterations)
    step = TrainStep(
        model, updater, accumulation_steps=3, prepare=to_float, clip_norm=1.0, average=average
    )

    @tf.function(autograph=False, jit_compile=False)
    def run(images, labels):
        return strategy.run(step, args=(images, labels))

    graph = run.get_concrete_function(
        tf.TensorSpec((12, 6, 6, 3), tf.uint8), tf.TensorSpec((12,), tf.int32)
    ).graph.as_graph_def()
    outside = collections.Counter(node.op for node in graph.node)
    inside = collections.Counter(
        node.op for function in graph.library.function for node in function.node_def
    )
    assert outside["CrossReplicaSum"] == len(model.trainable_variables)
    assert inside["CrossReplicaSum"] == 0
    assert inside["AssignVariableOp"] == 0
    assert inside["Conv2D"] == 1  # The loop is there, and is traced once.
