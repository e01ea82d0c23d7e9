"""The input pipeline over gs://, against an emulator on this machine."""

import itertools

import numpy as np
import pytest
from shard_writing import write_split
from storage_emulator import Fault

from glrtf.config.data import InputConfig
from glrtf.data.input_pipeline import eval_batches, plain_errors, train_batches
from glrtf.data.shards import open_shards
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, remote

REMOTE = "gs://bucket/shards"


@pytest.fixture
def both(storage, tmp_path, monkeypatch):
    """One split on the disk and in the bucket."""
    monkeypatch.setattr(remote, "FIRST_DELAY", 0.01)
    local = write_split(tmp_path / "train", (20, 3, 17))
    for path in local.iterdir():
        files.write_bytes(f"{REMOTE}/train/{path.name}", path.read_bytes())
    yield str(tmp_path)
    storage.faults.clear()
    for name, _ in files.walk("gs://bucket"):
        files.delete(f"gs://bucket/{name}")


def images(folder, steps=6, **settings):
    config = InputConfig(shuffle_buffer=20, files_at_once=2)
    batches = train_batches(folder, size=8, batch_size=7, seed=4, config=config, **settings)
    return np.concatenate([batch for batch, _ in itertools.islice(batches, steps)])


@pytest.mark.parametrize("worker", [0, 1])
def test_a_bucket_gives_the_batches_of_the_disk(both, worker):
    settings = {"worker": worker, "num_workers": 2}
    np.testing.assert_array_equal(images(REMOTE, **settings), images(both, **settings))
    resumed = images(REMOTE, steps=2, start_step=4, **settings)
    np.testing.assert_array_equal(resumed, images(both, **settings)[28:])


def test_extraction_reads_a_bucket_in_order(both):
    batches = list(eval_batches(REMOTE, size=8, batch_size=16))
    ids = np.concatenate([batch["image_id"] for batch in batches])
    assert ids.tolist() == [f"{n:016x}".encode() for n in range(40)]


def test_a_reset_connection_is_tried_again(both, storage):
    storage.faults.append(Fault(match=r"GET .*00000-of-00003\.tfrecord.*alt=media", times=2))
    np.testing.assert_array_equal(images(REMOTE), images(both))
    assert storage.faults[0].times == 0


def test_a_cut_object_is_named(both):
    name = f"{REMOTE}/train/train-00002-of-00003.tfrecord"
    opened = open_shards(REMOTE)
    size = len(files.read_bytes(name))
    files.write_bytes(name, files.read_bytes(name)[:-3])
    with pytest.raises(UserError, match=rf"{name}: expected {size} bytes .* found {size - 3};"):
        list(eval_batches(REMOTE, size=8, batch_size=16))
    # Cut after the shards were opened.
    message = rf"{name}: expected the shard that .* found it cut inside the record"
    with pytest.raises(UserError, match=message), plain_errors():
        list(eval_batches(opened, size=8, batch_size=16))
