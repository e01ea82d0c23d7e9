import dataclasses
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from shard_writing import write_split
from tf_devices import two_replicas
from tiny_runs import Recorder, folder_of, small_run, trainer, updates

from glrtf.config.data import AugmentConfig
from glrtf.training import checkpoints
from tfrecords_tools.errors import UserError

EXAMPLES = 20


@pytest.fixture
def config(twenty_images, tmp_path):
    return small_run(
        twenty_images,
        tmp_path / "run",
        epochs=2,
        ema_momentum=0.9,
        checkpoint_every=3,
        validate_every=1,
    )


def test_a_run_that_was_stopped_ends_like_one_that_was_not(config, tmp_path):
    # 20 images, 4 an update: 10 updates. SIGTERM in the middle of the first epoch's end (5).
    # All that is drawn at random is on: dropout, augmentation, mixing.
    config = dataclasses.replace(config, augment=AugmentConfig(mixup=0.4, cutmix=1.0))
    whole, state = trainer(config)
    assert whole.run().finished
    expected = state.arrays()

    other = dataclasses.replace(config, workdir=str(tmp_path / "stopped"))
    killer = Recorder(5, lambda: os.kill(os.getpid(), signal.SIGTERM))
    first, _ = trainer(other, loggers=[killer])
    result = first.run()
    assert (result.update, result.finished) == (5, False)
    assert updates(other) == [3, 5]
    second, state = trainer(other)
    assert second.run().update == 10
    got = state.arrays()
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(got[name], value, rtol=0, atol=1e-6, err_msg=name)


def test_a_start_ends_after_its_hours_and_the_next_one_resumes(config, capfd):
    first, _ = trainer(dataclasses.replace(config, max_hours=1e-9))
    result = first.run()
    # The time is over before the first update, which is still made.
    assert (result.update, result.finished) == (1, False)
    assert updates(config) == [1]
    assert "stopping: --max_hours 1e-09 is over" in capfd.readouterr().err
    second, _ = trainer(dataclasses.replace(config, max_hours=24.0))
    result = second.run()
    assert (result.update, result.finished) == (10, True)


def test_checkpoints_that_a_kill_left_half_are_never_read(config):
    first, _ = trainer(config, loggers=[Recorder(5, lambda: os.kill(os.getpid(), signal.SIGTERM))])
    first.run()
    # kill -9 during the save of update 6: arrays, perhaps cut short, and no JSON.
    folder = Path(folder_of(config))
    whole = (folder / "images-000000000020.npz").read_bytes()
    (folder / "images-000000000024.npz").write_bytes(whole[: len(whole) // 2])
    _, state = trainer(config)
    assert int(state.updater.iterations.numpy()) == 5


def test_the_last_and_the_best_checkpoints_are_kept(config):
    # Validation after epochs 1 and 2, that is after updates 5 and 10: the first is better.
    scores = iter([0.9, 0.1])
    config = dataclasses.replace(config, checkpoint_every=1, keep_checkpoints=2)
    made, _ = trainer(config, validate=lambda: {"validation_map": next(scores)})
    made.run()
    assert updates(config) == [5, 9, 10]
    assert checkpoints.find(config.folder, "best").position.update == 5
    assert checkpoints.find(config.folder, "9").position.update == 9
    with pytest.raises(UserError, match="expected last, best or one of 5, 9, 10, found '7'"):
        checkpoints.find(config.folder, "7")


def test_validation_sees_the_averaged_weights_and_training_goes_on_with_its_own(config):
    seen = []
    made, state = trainer(
        config, validate=lambda: seen.append(state.model.trainable_variables[0].numpy()) or {}
    )
    made.run()
    own, average = state.model.trainable_variables[0], state.average.variables[0]
    np.testing.assert_array_equal(seen[-1], average.numpy())
    assert np.abs(own.numpy() - average.numpy()).max() > 1e-5
    np.testing.assert_array_equal(
        checkpoints.with_average(state.arrays())["embedding/conv/kernel"], average.numpy()
    )


def test_a_loss_that_is_no_number_stops_before_anything_is_saved(config):
    config = dataclasses.replace(config, checkpoint_every=2)
    made, state = trainer(config)
    state.model.head.centers.assign(np.full(state.model.head.centers.shape, np.nan))
    with pytest.raises(UserError, match=r"loss: expected a number.*checkpoint is none"):
        made.run()
    assert updates(config) == []


@pytest.mark.parametrize(
    ("norm", "what"), [(np.nan, "gradient_norm"), (1.0, "embedding/conv/kernel")]
)
def test_a_gradient_of_nan_at_a_finite_loss_is_not_saved(config, norm, what):
    config = dataclasses.replace(config, checkpoint_every=2)
    made, state = trainer(config)
    make_step = made._engine.make_step

    def spoilt(*of):
        step = make_step(*of)

        def run(batch, stop):
            values = step(batch, stop)
            if int(state.updater.iterations.numpy()) < 4:
                return values
            # As such a gradient does: the weights have been made NaN, the loss was before that.
            for variable in state.model.trainable_variables:
                variable.assign(np.full(variable.shape, np.nan))
            return tf.tensor_scatter_nd_update(values, [[2]], [norm])

        return run

    made._engine.make_step = spoilt
    with pytest.raises(UserError, match=rf"^{what}: expected a number.*-0+8\.json"):
        made.run()
    assert updates(config) == [2]


def test_a_checkpoint_that_holds_nan_is_not_resumed_from(config):
    place = checkpoints.Position(3, 0.6, 5, 4)
    _, state = trainer(config)
    arrays = state.arrays()
    arrays["embedding/conv/kernel"] = np.full_like(arrays["embedding/conv/kernel"], np.inf)
    checkpoints.write(folder_of(config), arrays, place)
    with pytest.raises(UserError, match=r"kernel: expected numbers, .*delete it and its \.json"):
        trainer(config)


def test_loggers_get_figures_an_epoch_and_the_augmented_photos_once(config):
    recorder = Recorder()
    trainer(config, loggers=[recorder])[0].run()
    assert list(recorder.rows) == [5, 10]
    row = recorder.rows[10]
    assert row["epoch"] == 2
    assert row["learning_rate"] == pytest.approx(0, abs=1e-9)
    assert 0 <= row["train_accuracy"] <= 1
    assert row["images_per_second"] > 0
    [(update, name, images)] = recorder.pictures
    # 4 photos of the first batch, 4 in a row.
    assert (update, name, images.shape) == (0, "augmented", (1, 32, 128, 3))
    assert 0 <= images.min() < images.max() <= 1


def test_on_two_replicas_a_run_of_one_goes_on_at_the_same_epoch(config):
    stopper = Recorder(5, lambda: os.kill(os.getpid(), signal.SIGTERM))
    trainer(config, loggers=[stopper])[0].run()
    # Twice the images an update: one epoch is 2.5 updates, so 3 hold it; the run has 5.
    made, state = trainer(config, strategy=two_replicas())
    assert int(state.updater.iterations.numpy()) == 3
    assert made.run().update == 5
    local = two_replicas().experimental_local_results(state.model.non_trainable_variables[0].value)
    np.testing.assert_array_equal(local[0].numpy(), local[1].numpy())


def test_stages_change_the_size_of_the_images(config):
    config = dataclasses.replace(config, sizes=[32, 64], stage_epochs=[1, 1])
    made, _ = trainer(config)
    sizes = []
    make_step = made._engine.make_step

    def noting(*of):
        step = make_step(*of)
        return lambda batch, stop: sizes.append((of[-1], batch[0].shape[1])) or step(batch, stop)

    made._engine.make_step = noting
    made.run()
    assert sizes == [(32, 32)] * 5 + [(64, 64)] * 5


def test_a_label_beyond_the_classes_is_named(tmp_path, config):
    write_split(tmp_path / "bad" / "train", [20], num_classes=8)
    made, _ = trainer(dataclasses.replace(config, data=str(tmp_path / "bad")))
    with pytest.raises(UserError, match=r"label: expected 0 to 4, found [567]"):
        made.run()


def test_a_damaged_checkpoint_is_named(config):
    first, _ = trainer(config, loggers=[Recorder(5, lambda: os.kill(os.getpid(), signal.SIGTERM))])
    first.run()
    path = Path(folder_of(config), "images-000000000020.npz")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"images-000000000020\.npz: digest: expected .* damaged"):
        trainer(config)


def test_another_number_of_classes_is_refused(config):
    first, _ = trainer(config, loggers=[Recorder(5, lambda: os.kill(os.getpid(), signal.SIGTERM))])
    first.run()
    with pytest.raises(UserError, match="has 5 classes, the shards have 6"):
        trainer(config, classes=6)
