"""Training on JAX gives what training on TensorFlow gives.

One process on JAX computes everything that is compared here: see `jax_checks`.
"""

import csv
import dataclasses
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import jax_checks
import numpy as np
import pytest
import tensorflow as tf
from shard_writing import write_split
from tf_devices import two_replicas
from tiny_models import tiny_embedding_model
from tiny_runs import Recorder, trainer

from glrtf.commands import embed, export
from glrtf.config.data import AugmentConfig
from glrtf.config.inference import EmbedConfig, ExportConfig
from glrtf.config.training import TrainConfig
from glrtf.data.host_images import decode_on_host
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.models import retrieval_model
from glrtf.training.accumulation import TrainStep, average_statistics, statistics
from glrtf.training.averaging import WeightAverage
from glrtf.training.optimizers import Updater
from tfrecords_tools.command import cli

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="pip install '.[jax]'"
)
OFF = AugmentConfig(hflip=0.0, hue=0.0, saturation=0.0, contrast=0.0, brightness=0.0)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of 5 updates on TensorFlow: what both engines resume, to 25 updates."""
    folder = tmp_path_factory.mktemp("runs")
    write_split(folder / "data" / "train", [12, 8])
    write_split(folder / "data" / "validation", [5], split="validation")
    config = TrainConfig(
        size=32,
        data=str(folder / "data"),
        workdir=str(folder / "begun"),
        epochs=5,
        batch_size=4,
        accumulation_steps=2,
        clip_norm=1.0,
        ema_momentum=0.9,
        augment=OFF,
    )
    killer = Recorder(5, lambda: os.kill(os.getpid(), signal.SIGTERM))
    made, _ = trainer(config, loggers=[killer], dropout=0.0)
    assert made.run().update == 5
    for name in ("on_tensorflow", "on_jax"):
        shutil.copytree(config.workdir, folder / name)
    return config, folder


def start(*arguments, **environment):
    """A process of `jax_checks`."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ["PYTHONPATH"]])
    flags = {"XLA_FLAGS": jax_checks.XLA_FLAGS, "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "jax_checks.py"), *arguments],
        env={**os.environ, "PYTHONPATH": path, **flags, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def found(runs, tmp_path_factory):
    """What the JAX process computed, by name."""
    config, folder = runs
    output = tmp_path_factory.mktemp("jax") / "found.npz"
    settings = output.with_name("config.yaml")
    settings.write_text(cli.to_yaml(config))
    process = start(str(output), str(settings), str(folder / "on_jax"))
    _, errors = process.communicate()
    assert process.returncode == 0, errors[-3000:]
    with np.load(output) as arrays:
        return dict(arrays)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("kind", jax_checks.HEADS)
def test_heads_give_tensorflows_losses_and_gradients(found, kind, mixed):
    case = jax_checks.head_case()
    head = jax_checks.make_head(kind, case)
    rows = tf.constant(case["rows"])
    pairing = (tf.constant(case["partner"]), tf.constant(case["share"])) if mixed else None
    with tf.GradientTape() as tape:
        tape.watch(rows)
        losses, right = head.losses(rows, tf.constant(case["labels"]), pairing, training=True)
        total = tf.reduce_sum(losses)
    to_rows, to_centers = tape.gradient(total, [rows, head.centers.value])
    name = f"{kind}/{'mixed' if mixed else 'plain'}"
    np.testing.assert_allclose(found[f"{name}/losses"], losses, rtol=1e-5)
    np.testing.assert_array_equal(found[f"{name}/right"], right)
    np.testing.assert_allclose(found[f"{name}/to_rows"], to_rows, atol=1e-5)
    np.testing.assert_allclose(found[f"{name}/to_centers"], to_centers, atol=1e-5)


@pytest.mark.parametrize("kind", jax_checks.HEADS)
def test_a_head_split_over_devices_equals_the_whole_one(found, kind):
    for name in ("losses", "right", "to_rows", "to_centers"):
        split, whole = found[f"{kind}/split/{name}"], found[f"{kind}/whole/{name}"]
        np.testing.assert_allclose(split, whole, atol=1e-5, err_msg=name)


def test_forgotten_activations_change_no_gradient(found):
    kept, again = found["rematerialised/kept"], found["rematerialised/again"]
    np.testing.assert_allclose(again, kept, rtol=1e-6)


@pytest.mark.parametrize("case", jax_checks.NORMS)
def test_batchnorms_gradient_is_that_which_jax_derives(found, case):
    ours, keras = (found[f"normalized/{case}/{name}"] for name in ("ours", "keras"))
    np.testing.assert_allclose(ours, keras, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["sigmoid", "swish"])
def test_activations_are_xlas_logistic_function(found, name):
    x = np.arange(-60, 61) / 2
    share = 1 / (1 + np.exp(-x))
    value, slope = {
        "sigmoid": (share, share * (1 - share)),
        "swish": (x * share, share + x * share * (1 - share)),
    }[name]
    got = {kind: found[f"activated/{name}/{kind}"] for kind in ("float32", "alone", "bfloat16")}
    np.testing.assert_allclose(got["float32"], [value, slope], rtol=1e-5, atol=2e-6)
    np.testing.assert_allclose(got["alone"], value, rtol=1e-5)
    np.testing.assert_allclose(got["bfloat16"], value, rtol=2**-7)
    logistic, exponential, divided = found[f"activated/{name}/operations"]
    assert logistic and not exponential and not divided


def trained_on_tensorflow(
    optimizer, strategy, steps, sync=False, precision="float32", tuned=False, row_width=0
):
    with strategy.scope():
        model = jax_checks.model_of(precision, sync=sync, row_width=row_width)
        tuning = jax_checks.tuning(model, tuned)
        updater = Updater(optimizer, 1e-2, model.trainable_variables, 1e-2, *tuning)
        for variable, value in zip(
            model.trainable_variables, jax_checks.first_weights(row_width), strict=True
        ):
            variable.assign(value)
        average = WeightAverage(model.trainable_variables, 0.9, updater.iterations)
        average.reset()
    step = TrainStep(
        model,
        updater,
        accumulation_steps=steps,
        prepare=jax_checks.to_float,
        clip_norm=1.0,
        average=average,
    )

    @tf.function(autograph=False, jit_compile=False)
    def run(*batch):
        figures = strategy.run(step, args=batch)
        return strategy.reduce(tf.distribute.ReduceOp.MEAN, figures, axis=None)

    @tf.function(autograph=False, jit_compile=False)
    def settle():
        strategy.run(average_statistics, args=(model,))

    count = strategy.num_replicas_in_sync
    figures = []
    for batch in jax_checks.training_case(row_width=row_width):
        dealt = [
            strategy.experimental_distribute_values_from_function(
                lambda c, v=values: tf.constant(np.split(v, count)[c.replica_id_in_sync_group])
            )
            for values in batch
        ]
        figures.append(run(*dealt).numpy())
    if count > 1:
        settle()
    return {
        "figures": np.array(figures),
        **{f"weights/{n}": v.numpy() for n, v in enumerate(model.trainable_variables)},
        **{f"statistics/{n}": v.numpy() for n, v in enumerate(statistics(model))},
        **{f"averages/{n}": v.numpy() for n, v in enumerate(average.variables)},
    }


# BatchNorm takes the convolution's bias away again: its gradient is zero but for rounding, which
# Adam and LAMB divide by its own size. With it moves the mean of what BatchNorm is given.
LEFT_TO_ROUNDING = ("weights/1", "averages/1", "statistics/0")


def assert_same(found, prefix, expected, tolerance):
    for name, value in expected.items():
        if prefix != "sgd" and name in LEFT_TO_ROUNDING:
            continue
        got = found[f"{prefix}/{name}"]
        if name == "figures":
            got = got[:, :3]  # Behind them, whether to stop.
        np.testing.assert_allclose(got, value, rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("optimizer", jax_checks.OPTIMIZERS)
def test_two_devices_train_as_two_replicas_do(found, optimizer):
    """With accumulation, BatchNorm, weight decay, clipping and averaged weights."""
    assert_same(found, optimizer, trained_on_tensorflow(optimizer, two_replicas(), 2), 1e-4)


def test_one_device_trains_as_one_replica_does(found):
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    assert_same(found, "one", trained_on_tensorflow("adam", strategy, 4), 1e-4)


def test_batchnorm_over_all_devices_is_that_over_all_replicas(found):
    expected = trained_on_tensorflow("adam", two_replicas(), 2, sync=True)
    assert_same(found, "sync", expected, 1e-4)


def test_rate_factors_and_frozen_layers_act_as_on_tensorflow(found):
    expected = trained_on_tensorflow("adam", two_replicas(), 2, tuned=True)
    assert_same(found, "tuned", expected, 1e-4)
    # Of three updates the last one alone moved the convolution, by a quarter of the rate.
    moved = np.abs(found["tuned/weights/0"] - jax_checks.first_weights()[0]).max()
    assert 0 < moved < 0.25 * 1e-2 * 1.5
    # Weight decay and three times the rate: the head moved further.
    assert np.abs(found["tuned/weights/6"] - jax_checks.first_weights()[6]).max() > 0.05


def test_layer_decay_gives_the_same_factors(found):
    expected = jax_checks.factors_by_depth()
    np.testing.assert_array_equal(found["factors"], expected)
    # Two blocks behind the stem, and what follows the backbone.
    assert set(expected) == {0.25, 0.5, 1.0, 10.0}


def test_a_plan_draws_no_weights(found):
    """Which would compile a program for every shape; seeds are part of the update's program."""
    np.testing.assert_array_equal(found["planned/kernel"], np.zeros((2, 3)))
    assert found["planned/seed"].tolist() == [7, 0]
    assert found["planned/shared"].tolist() == [True, True]  # Adam's two slots of the kernel.
    assert np.abs(found["planned/afterwards"]).min() > 0


def test_bfloat16_trains_alike(found):
    """Both engines round to bfloat16, to 2^-8 of each value, but in another order."""
    expected = trained_on_tensorflow("sgd", two_replicas(), 2, precision="mixed_bfloat16")
    for name, value in expected.items():
        got = found[f"bfloat16/{name}"]
        got = got[:, :3] if name == "figures" else got
        # Three updates at a rate of 0.01 carry a hundredth of that into the weights.
        moved = name.startswith(("weights", "averages"))
        np.testing.assert_allclose(got, value, rtol=0, atol=2e-4 if moved else 2e-2, err_msg=name)
    assert np.abs(found["bfloat16/figures"] - found["sgd/figures"]).max() > 1e-3


@pytest.mark.parametrize("name", jax_checks.photo_files())
def test_files_decode_without_tensorflow_as_with_it(found, name):
    encoded = jax_checks.photo_files()[name]
    got = found[f"decoded/{name}"]
    if name in ("cut", "gif"):  # The fast decoder takes whole files alone.
        assert got.size == 0
        return
    # Pillow multiplies the inks of CMYK with another rounding.
    atol = 2 if name == "cmyk" else 0
    np.testing.assert_allclose(got.astype(int), decode_on_host(encoded), rtol=0, atol=atol)


def test_a_split_head_trains_as_a_whole_one(found):
    for name in [name for name in found if name.startswith("whole/")]:
        kind = name.partition("/")[2]
        if kind in (*LEFT_TO_ROUNDING, "collectives", "crossing"):
            continue
        np.testing.assert_allclose(
            found[f"split/{kind}"], found[name], rtol=1e-5, atol=1e-5, err_msg=kind
        )


def test_a_split_head_exchanges_rows_and_not_centres(found):
    """Four devices with one image a micro-batch and two classes each; six dimensions."""
    assert found["whole/crossing"].tolist() == []
    rows, labels, gradient = "all-gather f32[4,6]", "all-gather s32[4]", "reduce-scatter f32[1,6]"
    # Each image's largest logit, sum of exponentials and true logit, and what the step shows.
    figures = {"all-gather f32[4,2,4]", "all-reduce f32[4]"}
    assert set(found["split/crossing"]) == {rows, labels, gradient, *figures}


def test_rows_of_another_descriptor_train_alike(found):
    expected = trained_on_tensorflow("sgd", two_replicas(), 2, row_width=3)
    assert_same(found, "rows", expected, 1e-4)


def test_an_update_crosses_devices_once_and_not_while_it_accumulates(found):
    assert found["adam/collectives"].tolist() == [1, 0]
    assert found["one/collectives"].tolist() == [0, 0]


def test_two_processes_train_as_one_with_two_devices_does(found, tmp_path):
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        address = f"localhost:{probe.getsockname()[1]}"
    outputs = [tmp_path / f"{number}.npz" for number in range(2)]
    processes = [
        start(
            str(output),
            JAX_COORDINATOR_ADDRESS=address,
            JAX_NUM_PROCESSES="2",
            JAX_PROCESS_ID=str(number),
            JAX_NUM_CPU_DEVICES="1",
        )
        for number, output in enumerate(outputs)
    ]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors[-3000:]
    for output in outputs:
        with np.load(output) as arrays:
            assert arrays["processes"] == 2
            for name in arrays.files:
                if name not in ("processes", "collectives"):
                    np.testing.assert_allclose(
                        arrays[name], found[f"adam/{name}"], rtol=1e-6, atol=1e-6, err_msg=name
                    )


def test_a_run_of_tensorflow_resumes_on_jax(runs, found):
    """20 updates with the same losses; then the run of JAX resumes on TensorFlow."""
    config, folder = runs
    recorder = Recorder()
    one = dataclasses.replace(config, workdir=str(folder / "on_tensorflow"))
    made, state = trainer(one, dropout=0.0, loggers=[recorder])
    assert made.run().update == 25
    expected = jax_checks.losses_of(recorder)
    assert len(expected) == 4
    np.testing.assert_allclose(found["resumed/0/losses"], expected, rtol=1e-3)
    for name, value in state.arrays().items():
        if "conv/bias" in name or "conv_bias" in name or "moving_mean" in name:
            continue  # See LEFT_TO_ROUNDING.
        got = found[f"resumed/0/arrays/{name}"]
        np.testing.assert_allclose(got, value, rtol=1e-3, atol=1e-4, err_msg=name)

    _, resumed = trainer(dataclasses.replace(one, workdir=str(folder / "on_jax")), dropout=0.0)
    assert int(resumed.updater.iterations.numpy()) == 25
    for name, value in resumed.arrays().items():
        np.testing.assert_array_equal(value, found[f"resumed/0/arrays/{name}"], err_msg=name)


def test_the_commands_train_and_embed_where_tensorflow_cannot_be_imported(
    runs, found, tmp_path, monkeypatch
):
    """With augmentation and validation, on four devices; TensorFlow and an export embed alike."""
    _, folder = runs
    assert found["without_tensorflow"]
    assert found["commands"].tolist() == [0, 0]
    with open(folder / "whole" / "logs" / "train.csv") as file:
        rows = list(csv.DictReader(file))
    assert {"train_loss", "validation_loss"} <= rows[-1].keys()
    assert list((folder / "whole" / "logs").glob("events.out.tfevents.*"))
    monkeypatch.setattr(retrieval_model, "embedding_model_from_config", tiny_embedding_model)
    config = EmbedConfig(
        model=str(folder / "whole"),
        data=str(folder / "data"),
        output=str(tmp_path / "set"),
        split="train",
        scales=(1.0, 1.5),
        strategy="cpu",
    )
    expected = embed.embed(config).set
    exported = export.export(ExportConfig(config.model, output=str(tmp_path / "model")))
    of_export = dataclasses.replace(config, model=exported.path, output=str(tmp_path / "exported"))
    for got in (EmbeddingSet.open(str(folder / "rows_of_jax")), embed.embed(of_export).set):
        assert got.meta["model_digest"] == expected.meta["model_digest"]
        for part in range(expected.num_parts):
            (ours, our_ids), (theirs, their_ids) = got.part(part), expected.part(part)
            np.testing.assert_array_equal(our_ids, their_ids)
            np.testing.assert_allclose(ours, theirs, atol=1e-5)
