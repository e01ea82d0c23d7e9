"""Runs that are stopped, and resumed on another number of replicas."""

import csv
import dataclasses
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from tf_devices import two_replicas
from tiny_runs import Recorder, folder_of, small_run, trainer, updates

from glrtf.training import checkpoints
from glrtf.training.callbacks import CsvLogger


@pytest.fixture
def config(twenty_images, tmp_path):
    """20 images an epoch; on one replica 4 an update, 5 updates an epoch, 20 in all."""
    workdir = tmp_path / "run"
    return small_run(twenty_images, workdir, epochs=4, checkpoint_every=1, keep_checkpoints=3)


class Stopper(Recorder):
    """Stops a trainer after an update, whether that ends an epoch or not."""

    def stop(self, made, at):
        make_step = made._engine.make_step

        def stopping(*of):
            step = make_step(*of)

            def counted(*arguments):
                self.count += 1
                if self.count == at:
                    os.kill(os.getpid(), signal.SIGTERM)
                return step(*arguments)

            return counted

        self.count = int(made._state.updater.iterations.numpy())
        made._engine.make_step = stopping


def images(config):
    return [c.position.images for c in checkpoints.list_all(folder_of(config))]


def stopped(config, at, strategy=None):
    """Runs until the update and returns how many images were seen."""
    log = CsvLogger(f"{config.folder}/train.csv", max([0, *images(config)]), 20)
    made, _ = trainer(config, strategy=strategy, loggers=[log])
    if at:
        Stopper().stop(made, at)
    result = made.run()
    assert result.finished == (not at)
    return checkpoints.latest(folder_of(config)).position


# Stopped at the end of an epoch, inside one, after the first update, and just before the end.
@pytest.mark.parametrize("at", [10, 12, 1, 19])
def test_on_more_replicas_new_checkpoints_are_kept_and_the_last_is_the_newest(config, at):
    assert stopped(config, at).images == 4 * at
    # On two replicas an update holds 8 images and the run has 10 updates.
    first = -(-at // 2)
    if first < 10:
        last = stopped(config, 0, two_replicas())
        assert last.images == 80
        kept = list(range(first + 1, 11))[-3:]
        assert updates(config)[-len(kept) :] == kept
    assert images(config) == sorted(images(config))
    with open(Path(config.folder, "train.csv")) as file:
        epochs = [float(row["epoch"]) for row in csv.DictReader(file)]
    assert [int(epoch) for epoch in epochs] == [1, 2, 3, 4][: len(epochs)]
    assert len(epochs) == 4 or first == 10


def test_from_one_replica_to_two_and_back_nothing_is_lost(config):
    assert stopped(config, 7).images == 28
    assert stopped(config, 6, two_replicas()).images == 48  # From 28 / 8 = 3.5: after update 4.
    assert updates(config) == [7, 5, 6]
    assert stopped(config, 0).images == 80  # From 48 / 4 = 12.
    assert updates(config) == [18, 19, 20]
    with open(Path(config.folder, "train.csv")) as file:
        rows = [(row["update"], row["images"]) for row in csv.DictReader(file)]
    assert rows == [("5", "20"), ("5", "40"), ("15", "60"), ("20", "80")]


def test_a_run_that_is_finished_stays_so_on_more_replicas(config):
    config = dataclasses.replace(config, epochs=1, batch_size=6)  # 3 updates, 18 of 20 images.
    assert stopped(config, 0).images == 18
    before = sorted(os.listdir(folder_of(config)))
    made, _ = trainer(config, strategy=two_replicas())  # 12 an update: 2 of them.
    assert made.run().finished
    assert sorted(os.listdir(folder_of(config))) == before


def test_a_checkpoint_of_the_first_update_is_not_started_over(config):
    # One update of 4 images, in updates of 64: less than half of one.
    stopped(config, 1)
    weights = checkpoints.latest(folder_of(config)).arrays()
    _, state = trainer(dataclasses.replace(config, batch_size=64))
    assert int(state.updater.iterations.numpy()) == 1
    kernel = "embedding/conv/kernel"
    np.testing.assert_array_equal(state.arrays()[kernel], weights[kernel])


def test_names_follow_the_images_seen_from_four_replicas_to_eight(tmp_path):
    def save(update, replicas, **metrics):
        place = checkpoints.Position(update, update * replicas * 4 / 100, 5, replicas * 4, metrics)
        return checkpoints.write(str(tmp_path), {"x": np.float32([update])}, place)

    save(20, 4, validation_map=0.9)
    save(30, 4)
    save(31, 4)
    save(20, 8)  # Another of 20 updates, of twice the images.
    names = [f"images-{number:012d}.npz" for number in (320, 480, 496, 640)]
    assert [os.path.basename(c.arrays_path) for c in checkpoints.list_all(str(tmp_path))] == names
    checkpoints.prune(str(tmp_path), 1)
    assert checkpoints.latest(str(tmp_path)).position.global_batch_size == 32
    assert checkpoints.find(str(tmp_path), "best").position.images == 320
    with pytest.raises(Exception, match=r"2 have 20 updates.*images-0+320\.npz, .*-0+640\.npz"):
        checkpoints.find(str(tmp_path), "20")


def test_checkpoints_named_by_their_update_are_read_ordered_and_pruned(tmp_path):
    # What a run left that went from 4 images an update to 8: the latest is the one of 23 updates.
    for update, batch in ((30, 4), (35, 4), (21, 8), (23, 8)):
        place = checkpoints.Position(update, update * batch / 20, 5, batch)
        written = checkpoints.write(str(tmp_path), {"x": np.float32([update])}, place)
        for path in (written.path, written.arrays_path):
            os.rename(path, tmp_path / f"step-{update:08d}{os.path.splitext(path)[1]}")
    assert checkpoints.find(str(tmp_path)).arrays()["x"] == 23
    place = checkpoints.Position(24, 24 * 8 / 20, 5, 8)
    checkpoints.write(str(tmp_path), {"x": np.float32([24])}, place)
    checkpoints.prune(str(tmp_path), 2)
    left = sorted(name for name in os.listdir(tmp_path) if name.endswith(".npz"))
    assert left == ["images-000000000192.npz", "step-00000023.npz"]
