"""Training with a head whose classes are split over replicas, against the plain head."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from fake_tpu import fake_tpu_strategy
from shard_writing import write_split
from tf_devices import two_replicas
from tiny_models import tiny_model

from glrtf.config.training import TrainConfig
from glrtf.data.shards import open_shards
from glrtf.models.class_shards import read_whole
from glrtf.training import checkpoints, workdir
from glrtf.training.accumulation import TrainStep
from glrtf.training.optimizers import Updater
from glrtf.training.state import TrainState, build_state
from glrtf.training.transfer import initialise
from glrtf.training.validation import Validator

CLASSES = 5  # Does not divide by two: one replica has a row of padding.


def to_float(images, replica, number):
    return tf.cast(images, tf.float32) / 255.0, None


def one_cpu():
    return tf.distribute.OneDeviceStrategy("/cpu:0")


def made(strategy, sharded, *, optimizer="adam", decay=0.0, ema=0.0, seed=0, head="arcface"):
    with strategy.scope():
        model = tiny_model(CLASSES, sharded=sharded, seed=seed, head=head)
        updater = Updater(optimizer, 1e-2, model.trainable_variables, decay)
        return TrainState(model, updater, ema)


def trained(strategy, state, steps, clip=0.0, updates=3):
    """Makes a few updates of 24 images on the state; gives each one's metrics of all replicas."""
    return training(strategy, state, steps, clip)(updates)


def training(strategy, state, steps, clip=0.0):
    """`trained` as a function of the number of updates, which compiles the update once."""
    step = TrainStep(
        state.model,
        state.updater,
        accumulation_steps=steps,
        prepare=to_float,
        clip_norm=clip,
        average=state.average,
    )

    @tf.function(autograph=False, jit_compile=False)
    def run(batch):
        return strategy.experimental_local_results(strategy.run(step, args=batch))

    def train(updates):
        rng = np.random.default_rng(0)
        metrics = []
        for _ in range(updates):
            images = rng.integers(0, 256, (24, 6, 6, 3)).astype(np.uint8)
            labels = rng.integers(0, CLASSES, 24).astype(np.int32)
            metrics.append([m.numpy() for m in run(tuple(dealt(strategy, (images, labels))))])
        return metrics

    return train


def dealt(strategy, arrays):
    count = len(arrays[0]) // strategy.num_replicas_in_sync
    for values in arrays:
        yield strategy.experimental_distribute_values_from_function(
            lambda c, values=values: tf.constant(
                values[c.replica_id_in_sync_group * count :][:count]
            )
        )


def assert_same(state, other, tolerance=1e-5):
    ours, theirs = state.arrays(), other.arrays()
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, rtol=0, atol=tolerance, err_msg=name)


@pytest.mark.parametrize(
    ("steps", "options", "clip"),
    [
        (1, {"optimizer": "adam", "head": "curricular"}, 0.0),
        (3, {"optimizer": "adam", "ema": 0.9}, 0.0),
        (2, {"optimizer": "adamw", "decay": 0.1}, 0.05),
        (2, {"optimizer": "sgd", "decay": 0.01}, 0.05),
    ],
)
def test_updates_are_those_of_the_plain_head(steps, options, clip):
    plain, ours = made(one_cpu(), False, **options), made(two_replicas(), True, **options)
    expected = trained(one_cpu(), plain, 1, clip)
    metrics = trained(two_replicas(), ours, steps, clip)
    assert_same(ours, plain)
    for [(loss, accuracy, norm)], of_replicas in zip(expected, metrics, strict=True):
        means = np.mean(of_replicas, axis=0)
        np.testing.assert_allclose(means, [loss, accuracy, norm], rtol=1e-5)
        # Each replica clips by the same norm, in which each class counts once.
        assert of_replicas[0][2] == of_replicas[1][2]
        assert not clip or norm > clip


def test_a_replica_keeps_only_its_share_of_weights_slots_and_average():
    state = made(two_replicas(), True, ema=0.9)
    trained(two_replicas(), state, 2, updates=1)
    head = [v for name, v in state.variables().items() if "centers" in name]
    assert len(head) == 4  # The weight, two moments, the average.
    for variable in head:
        first, second = (part.numpy() for part in variable.value.values)
        assert first.shape == second.shape == (3, 6)
        assert not second[2].any()  # Padding is never moved.
        assert np.abs(first[0] - second[0]).max() > 0  # Of other classes.


@pytest.mark.parametrize("from_sharded", [True, False])
def test_a_run_goes_on_with_its_classes_split_otherwise(tmp_path, from_sharded):
    sharded, plain = made(two_replicas(), True, ema=0.9), made(one_cpu(), False, ema=0.9, seed=9)
    strategies = {id(sharded): two_replicas(), id(plain): one_cpu()}
    source, target = (sharded, plain) if from_sharded else (plain, sharded)
    train = training(strategies[id(source)], source, 2)
    train(3)
    position = checkpoints.Position(update=3, epoch=1.0, num_classes=5, global_batch_size=24)
    saved = checkpoints.write(str(tmp_path), source.arrays(), position)
    assert saved.arrays()["head/centers"].shape == (CLASSES, 6)
    target.restore(checkpoints.latest(str(tmp_path)))
    assert_same(target, source, 0)
    train(2)
    trained(strategies[id(target)], target, 2, updates=2)
    assert_same(target, source)


def test_another_run_gives_its_head_to_a_split_one(tmp_path):
    source, target = made(one_cpu(), False), made(two_replicas(), True, ema=0.9, seed=5)
    position = checkpoints.Position(update=3, epoch=1.0, num_classes=5, global_batch_size=24)
    checkpoints.write(str(tmp_path / "checkpoints"), source.arrays(), position)
    message = initialise(target, TrainConfig(init_from=str(tmp_path)))
    assert message.endswith("images-000000000072.npz")
    expected = source.model.head.centers.numpy()
    np.testing.assert_array_equal(read_whole(target.model.head.centers), expected)
    np.testing.assert_array_equal(target.arrays()["average/head/centers"], expected)
    with target.average.swapped_in():
        np.testing.assert_array_equal(read_whole(target.model.head.centers), expected)


def test_validation_is_over_all_classes(tmp_path):
    write_split(tmp_path / "validation", [7, 4], split="validation")
    shards = open_shards(str(tmp_path), "validation")
    figures = []
    for strategy, sharded in ((one_cpu(), False), (two_replicas(), True)):
        state = made(strategy, sharded)
        figures.append(Validator(strategy, state.model, shards, size=32, batch_size=2)())
    assert figures[1] == pytest.approx(figures[0], rel=1e-5)


def test_a_workdir_may_be_resumed_with_a_split_head(tmp_path):
    config = TrainConfig(workdir=str(tmp_path / "run"))
    workdir.claim(config)
    position = checkpoints.Position(update=3, epoch=1.0, num_classes=5, global_batch_size=24)
    checkpoints.write(str(tmp_path / "run" / "checkpoints"), {}, position)
    workdir.claim(dataclasses.replace(config, head_sharding="classes"))


def test_settings_make_the_split_head(small_network):
    config = TrainConfig(
        size=32, head="subcenter", head_sharding="classes", embedding_dim=8, num_centers=2, seed=4
    )
    plain = dataclasses.replace(config, head_sharding="none")
    with two_replicas().scope():
        ours = build_state(config, 7, 0.3, 1e-3, "float32")
    expected = build_state(plain, 7, 0.3, 1e-3, "float32")
    assert ours.model.head.centers.shape == (8, 8)  # Two centres of four of the seven classes.
    assert_same(ours, expected, 0)


def test_under_tpu_strategy_replicas_talk_in_the_loop_and_the_head_is_never_added_up():
    strategy = fake_tpu_strategy()
    with strategy.scope():
        model = tiny_model(CLASSES, batch_norm=True, dropout=0.5, sharded=True)
        state = TrainState(model, Updater("adam", 1e-2, model.trainable_variables, 0.1), 0.99)
    step = TrainStep(
        model,
        state.updater,
        accumulation_steps=3,
        prepare=to_float,
        clip_norm=1.0,
        average=state.average,
    )

    @tf.function(autograph=False, jit_compile=False)
    def run(images, labels):
        return strategy.run(step, args=(images, labels))

    graph = run.get_concrete_function(
        tf.TensorSpec((12, 6, 6, 3), tf.uint8), tf.TensorSpec((12,), tf.int32)
    ).graph
    [loop] = [op for op in graph.get_operations() if op.type in ("While", "StatelessWhile")]
    body = graph._get_function(loop.get_attr("body").name).graph
    # One sum a shared variable, and that of the norm of the head's parts.
    shared = [v.shape for v in model.trainable_variables if v.name != "centers"]
    assert summed_shapes(graph) == sorted(str(tuple(shape)) for shape in [*shared, ()])
    # In the loop, for the four images of each of two replicas: embeddings, labels; the softmax's
    # maximum, sum and true logit; the nearest class; back, the losses' slopes and the embeddings'.
    shapes = [(2, 4, 6), (2, 4), (2, 3, 8), (2, 2, 8), (2, 4), (8, 6)]
    assert summed_shapes(body) == sorted(map(str, shapes))
    assert not any(op.type == "AssignVariableOp" for op in body.get_operations())
    # What is marked as the same on all replicas may be sent from one of them to the others.
    marked = {
        op.name.removesuffix("/handle").rpartition("/")[-1]: op.get_attr("is_mirrored_variable")
        for op in graph.get_operations()
        if op.type == "TPUReplicatedInput" and "handle" in op.name
    }
    apart = {name for name, mirrored in marked.items() if not mirrored}
    slots = {"head_centers_momentum", "head_centers_velocity"}
    assert apart == {"centers", "average_centers", *slots}


def summed_shapes(graph):
    sums = [op for op in graph.get_operations() if op.type == "CrossReplicaSum"]
    return sorted(str(tuple(op.inputs[0].shape)) for op in sums)


@pytest.mark.parametrize(
    ("options", "what"),
    [({"strategy": "multiworker"}, "strategy multiworker"), ({"optimizer": "lamb"}, "lamb")],
)
def test_what_cannot_be_split_is_refused(options, what):
    with pytest.raises(ValueError, match=rf"head_sharding: expected none with --.*{what}.*; use "):
        TrainConfig(head_sharding="classes", **options)
