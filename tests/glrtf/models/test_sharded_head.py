"""The head whose classes are split over replicas, against the head that has them all."""

import numpy as np
import pytest
import tensorflow as tf
from tf_devices import two_replicas

from glrtf.models.class_shards import ClassShards, assign_whole, read_whole, whole_shape
from glrtf.models.heads import build_head
from glrtf.models.kernels import LoneReplica
from glrtf.models.sharded_head import SHARDED_KINDS

DIMENSION, EACH = 6, 4  # EACH: images a replica.

# Seven classes on two replicas: the last row of the second is padding.
CASES = {
    "arcface": ("arcface", 7, {"margin": 0.4}),
    "even": ("arcface", 8, {"margin": 0.4}),
    "large scale": ("arcface", 7, {"margin": 0.6, "scale": 500.0}),
    "class margins": ("arcface", 7, {"margin": [0.05, 0.1, 0.5, 0.3, 0.2, 0.4, 0.15]}),
    "subcenter": ("subcenter", 7, {"margin": 0.4, "num_centers": 3}),
    "curricular": ("curricular", 7, {"margin": 0.4}),
    "one class a replica": ("arcface", 2, {"margin": 0.4}),
    "a replica without classes": ("arcface", 1, {"margin": 0.4}),
}


def unit_rows(rng, count):
    rows = rng.normal(size=(count, DIMENSION))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def example(num_classes, seed=0):
    """Embeddings of two replicas, and their labels."""
    rng = np.random.default_rng(seed)
    return unit_rows(rng, 2 * EACH), rng.integers(0, num_classes, 2 * EACH).astype(np.int32)


def built(kind, num_classes, options, **more):
    head = build_head(kind, num_classes, **{"scale": 16.0, "seed": 3, **options, **more})
    head.build((None, DIMENSION))
    if kind == "curricular":
        head.progress.assign(0.3)
    return head


def plain_results(head, rows, labels, pairing=None, plain=False):
    """Losses, hits, and gradients of the sum of both replicas' mean losses."""
    rows = tf.constant(rows)
    with tf.GradientTape() as tape:
        tape.watch(rows)
        if plain:
            losses, right = head.plain_losses(rows, tf.constant(labels))
        else:
            losses, right = head.losses(rows, tf.constant(labels), pairing, training=True)
        objective = tf.reduce_sum(losses) / EACH
    return [losses, right, *tape.gradient(objective, [rows, head.centers.value])]


def sharded_results(head, rows, labels, pairing=None, plain=False):
    """The same from two replicas, each with its half of the images."""
    strategy = two_replicas()

    def of_replica(rows, labels, pairing):
        centers = tf.convert_to_tensor(head.centers)
        with tf.GradientTape() as tape:
            tape.watch([rows, centers])
            # As the training step does: the weights' values take the variables' place.
            others = [tf.convert_to_tensor(v) for v in head.non_trainable_variables]
            (losses, right), moved = as_layer(head, pairing, plain).stateless_call(
                [centers], others, rows, labels, training=True
            )
            loss = tf.reduce_mean(losses)
        for variable, value in zip(head.non_trainable_variables, moved, strict=True):
            variable.assign(value)
        return losses, right, *tape.gradient(loss, [rows, centers])

    @tf.function(autograph=False)
    def run(rows, labels, pairing):
        return strategy.run(of_replica, args=(rows, labels, pairing))

    def dealt(values):
        return strategy.experimental_distribute_values_from_function(
            lambda c: tf.constant(values[c.replica_id_in_sync_group * EACH :][:EACH])
        )

    pairing = None if pairing is None else tuple(dealt(values) for values in pairing)
    results = run(dealt(rows), dealt(labels), pairing)
    losses, right, of_rows, of_centers = (
        [part.numpy() for part in strategy.experimental_local_results(value)] for value in results
    )
    joined = [np.concatenate(parts) for parts in (losses, right, of_rows)]
    return [*joined, head.shards.join(of_centers)]


def as_layer(head, pairing, plain):
    """A layer around the head, so that its weights can be given as tensors."""
    import keras

    class Called(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.head = head
            self.built = True

        def call(self, rows, labels, training):
            if plain:
                return head.plain_losses(rows, labels)
            return head.losses(rows, labels, pairing, training=training)

    head.built = True
    return Called()


def sharded_head(kind, num_classes, options):
    with two_replicas().scope():
        return built(kind, num_classes, options, kinds=SHARDED_KINDS)


def assert_equal(ours, plain, scale):
    names = ("losses", "right", "gradient of embeddings", "gradient of centres")
    for name, got, expected in zip(names, ours, plain, strict=True):
        assert np.isfinite(got).all(), name
        tolerance = 1e-5 * max(1.0, scale / 16)
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("case", CASES)
def test_two_replicas_give_losses_hits_and_gradients_of_one(case):
    kind, num_classes, options = CASES[case]
    rows, labels = example(num_classes)
    head = built(kind, num_classes, options)
    ours = sharded_head(kind, num_classes, options)
    on_it = head.centers.numpy()[labels[0]]
    rows[0] = on_it / np.linalg.norm(on_it)
    expected = plain_results(head, rows, labels)
    assert_equal(sharded_results(ours, rows, labels), expected, head.scale)
    assert expected[1].numpy()[0] == 1
    if kind == "curricular":
        # t moves by the mean of all replicas' images.
        for part in ours.progress.value.values:
            assert part.numpy() == pytest.approx(head.progress.numpy(), rel=1e-5)


@pytest.mark.parametrize("case", ["arcface", "subcenter", "class margins"])
def test_mixed_images_have_both_labels_losses(case):
    kind, num_classes, options = CASES[case]
    rows, labels = example(num_classes, seed=1)
    partner = np.int32([1, 2, 3, 0, 3, 2, 1, 0])  # Within each replica's images.
    share = np.linspace(0, 1, 2 * EACH).astype(np.float32)
    over_all = (tf.constant(partner + np.repeat([0, EACH], EACH)), tf.constant(share))
    expected = plain_results(built(kind, num_classes, options), rows, labels, over_all)
    ours = sharded_results(sharded_head(kind, num_classes, options), rows, labels, (partner, share))
    assert_equal(ours, expected, 16)


def test_validation_losses_are_without_margin():
    kind, num_classes, options = CASES["arcface"]
    rows, labels = example(num_classes, seed=2)
    expected = plain_results(built(kind, num_classes, options), rows, labels, plain=True)
    ours = sharded_results(sharded_head(kind, num_classes, options), rows, labels, plain=True)
    assert_equal(ours, expected, 16)


def test_logits_far_apart_stay_exact():
    # Replica 0 holds cosines of -1, replica 1 of +1: at s = 500 sums of exp() alone would be 0 or
    # infinite on one of them.
    options = {"margin": 0.0, "scale": 500.0}
    x, y = np.eye(DIMENSION, dtype=np.float32)[:2]
    centers = np.stack([-x, 0.1 * y - x, x, 0.1 * y + x])
    rows = np.repeat(x[np.newaxis], 2 * EACH, axis=0)
    labels = np.int32([0, 1, 2, 3] * 2)
    plain, ours = built("arcface", 4, options), sharded_head("arcface", 4, options)
    for head in (plain, ours):
        assign_whole(head.centers, centers)
    assert_equal(sharded_results(ours, rows, labels), plain_results(plain, rows, labels), 500)


@pytest.mark.parametrize("case", ["arcface", "subcenter", "curricular"])
def test_on_one_replica_it_is_the_plain_head(case):
    kind, num_classes, options = CASES[case]
    rows, labels = example(num_classes)
    ours = built(kind, num_classes, options, kinds=SHARDED_KINDS)
    expected = plain_results(built(kind, num_classes, options), rows, labels)
    assert_equal(plain_results(ours, rows, labels), expected, 16)


def test_each_replica_holds_its_share_of_what_one_device_would_begin_with():
    ours = sharded_head("subcenter", 7, {"margin": 0.4, "num_centers": 2})
    plain = built("subcenter", 7, {"margin": 0.4, "num_centers": 2})
    np.testing.assert_array_equal(read_whole(ours.centers), plain.centers.numpy())
    assert whole_shape(ours.centers) == (14, DIMENSION)
    first, second = (part.numpy() for part in ours.centers.value.values)
    assert first.shape == second.shape == (8, DIMENSION)
    by_center = plain.centers.numpy().reshape(2, 7, DIMENSION)
    np.testing.assert_array_equal(first, by_center[:, :4].reshape(8, DIMENSION))
    np.testing.assert_array_equal(second.reshape(2, 4, DIMENSION)[:, :3], by_center[:, 4:])
    np.testing.assert_array_equal(second.reshape(2, 4, DIMENSION)[:, 3], 0)


@pytest.mark.parametrize(("classes", "centers", "replicas"), [(7, 1, 2), (8, 3, 2), (5, 2, 4)])
def test_parts_join_to_the_whole(classes, centers, replicas):
    shards = ClassShards(classes, centers, replicas)
    whole = np.arange(centers * classes * 3).reshape(-1, 3)
    parts = [shards.part(whole, replica) for replica in range(replicas)]
    assert {part.shape for part in parts} == {(centers * shards.size, 3)}
    np.testing.assert_array_equal(shards.join(parts), whole)


def test_a_lone_replica_has_the_shapes_of_its_share():
    head = build_head("arcface", 7, scale=8.0, margin=0.3, kinds=SHARDED_KINDS)
    head.replicas = LoneReplica(4)
    head.build((None, DIMENSION))
    assert tuple(head.centers.shape) == (2, DIMENSION)
    rows, labels = example(7)
    losses, right = head.losses(tf.constant(rows), tf.constant(labels))
    assert losses.shape == right.shape == (2 * EACH,)
