"""Every file that is read back, cut at 50 places and with 50 bits flipped, one at a time.

It must be refused with its name, or give what the whole file gives (a flipped
bit may hit white space, or a field that nobody reads); never another result.
"""

import dataclasses
import os
import shutil

import numpy as np
import pytest
from damage import NUM_CUTS, NUM_FLIPS, assert_refused
from retrieval_files import write_retrieval
from shard_writing import write_split

from glrtf.config.data import InputConfig
from glrtf.config.training import TrainConfig
from glrtf.data.input_pipeline import train_batches
from glrtf.data.records import BadRecords, in_order
from glrtf.data.shards import open_shards
from glrtf.embeddings import embedding_set
from glrtf.evaluation.results import read_result
from glrtf.models import arrays as model_arrays
from glrtf.training import checkpoints, workdir
from tfrecords_tools import tfrecord
from tfrecords_tools.dataset_info import DatasetInfo
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, folders

_ALL = NUM_CUTS + NUM_FLIPS


def _equal(one, other) -> bool:
    return one == other


def _arrays_equal(one, other) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


@pytest.fixture
def shards(tmp_path):
    return write_split(tmp_path / "train", [5, 4])


def test_a_shard(shards):
    path = shards / "train-00001-of-00002.tfrecord"

    def read():
        return [record.data for record in in_order(open_shards(str(shards)), BadRecords(0))]

    assert assert_refused(path, read, _equal) == _ALL


def test_a_shard_of_which_some_records_may_be_skipped(shards):
    path = shards / "train-00000-of-00002.tfrecord"
    opened = open_shards(str(shards))
    # Like public shards, whose digests are not recorded.
    parts = tuple(dataclasses.replace(shard, sha256="") for shard in opened.shards)
    opened = dataclasses.replace(opened, shards=parts)
    whole = [record.data for record in in_order(opened, BadRecords(0))]

    def read():
        bad = BadRecords(9)
        found = [record.data for record in in_order(opened, bad)]
        # What is not delivered has been counted, and what is delivered is right.
        assert len(found) + len(bad) == len(whole)
        assert all(str(path) == record.path for record in bad.report())
        return set(found)

    assert assert_refused(path, read, lambda all_of_it, found: found <= all_of_it) == 0


def test_a_shard_read_record_by_record(shards):
    path = shards / "train-00000-of-00002.tfrecord"

    def read():
        try:
            with path.open("rb") as file:
                return list(tfrecord.read_records(file))
        except tfrecord.CorruptRecordError as error:
            raise UserError(f"{path}: {error}") from None

    def first_of(all_of_it, found):
        # The container has no end mark: cut between two records it is a shorter file.
        return found == all_of_it[: len(found)]

    assert assert_refused(path, read, first_of) > _ALL - 5


@pytest.mark.parametrize("name", ["dataset_info.json", "labels.csv"])
def test_the_description_of_shards(shards, name):
    info = DatasetInfo.load(str(shards))
    digests = {"labels.csv": files.sha256(str(shards / "labels.csv"))}
    dataclasses.replace(info, digests=digests).save(str(shards))

    def read():
        found = DatasetInfo.load(str(shards))
        return dataclasses.astuple(found), found.label_map.tolist(), found.class_counts.tolist()

    assert assert_refused(shards / name, read, _equal) >= 90


def test_shards_cut_while_they_are_trained_on(shards):
    """The input pipeline itself, on one damage of each kind: it takes longer."""
    path = shards / "train-00000-of-00002.tfrecord"
    opened = open_shards(str(shards))
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 4
    for data in (whole[: len(whole) // 3], bytes(flipped)):
        path.write_bytes(data)
        config = InputConfig(shuffle_buffer=4)
        from glrtf.data.input_pipeline import plain_errors

        batches = train_batches(opened, size=8, batch_size=2, seed=0, config=config)
        with pytest.raises(UserError, match=r"train-00000-of-00002\.tfrecord"), plain_errors():
            for _ in zip(batches, range(10), strict=False):
                pass


@pytest.mark.parametrize("name", ["embedding_set.json", "embeddings-00001", "ids-00000"])
def test_an_embedding_set(tmp_path, name):
    folder = tmp_path / "set"
    generator = np.random.default_rng(0)
    for part in range(2):
        rows = generator.normal(size=(6, 8)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        ids = [f"{part:08x}{row:08x}" for row in range(6)]
        embedding_set.write_part(str(folder), part, 2, rows, ids)
    embedding_set.finish(str(folder), 2, model="m")
    (path,) = (each for each in folder.iterdir() if each.name.startswith(name))

    def read():
        opened = embedding_set.EmbeddingSet.open(str(folder))
        opened.verify()
        rows = np.concatenate([opened.read(part, 0, 6) for part in range(2)])
        return {"rows": rows, "ids": opened.ids, "meta": np.array(opened.meta["model"])}

    # A damaged id may be reported as a repeated one, a row as one of the set.
    assert assert_refused(path, read, _arrays_equal, named=folder) >= 85


@pytest.fixture
def run(tmp_path):
    """A workdir with settings and two checkpoints."""
    config = TrainConfig(data="d", workdir=str(tmp_path / "run"), backbone="v2b0", size=64)
    workdir.claim(config)
    generator = np.random.default_rng(0)
    for update in (10, 20):
        weights = {f"w{i}": generator.normal(size=(5, i + 1)).astype(np.float32) for i in range(3)}
        position = checkpoints.Position(update, update / 10, 3, 8, {"loss": 1.5})
        checkpoints.write(str(tmp_path / "run" / "checkpoints"), weights, position)
    return tmp_path / "run"


@pytest.mark.parametrize("name", ["images-000000000160.npz", "images-000000000160.json"])
def test_a_checkpoint(run, name):
    def read():
        found = checkpoints.find(str(run))
        return {**found.arrays(), "position": np.array(repr(found.position))}

    assert assert_refused(run / "checkpoints" / name, read, _arrays_equal) >= 90


def test_weights(tmp_path):
    path = tmp_path / "weights.npz"
    weights = {f"w{i}": np.arange(i + 7.0, dtype=np.float32) for i in range(3)}
    model_arrays.write_arrays(str(path), weights)
    assert_refused(path, lambda: model_arrays.read_arrays(str(path)), _arrays_equal)


@pytest.mark.parametrize("name", ["evidence.npz", "submission.csv", "retrieval.json"])
def test_what_retrieval_wrote(tmp_path, name):
    folder = write_retrieval(tmp_path / "retrieval")
    info = {"preset": "fifth_place", "seconds": {"bridge": 1.25}}
    files.write_json(str(folder / "retrieval.json"), info)

    def read():
        result = read_result(str(folder))
        arrays = {k: v for k, v in vars(result.evidence).items() if k != "rows"}
        return {
            **arrays,
            "rankings": np.array(repr(result.rankings)),
            "info": np.array(repr({name: result.info.get(name) for name in info})),
        }

    assert assert_refused(folder / name, read, _arrays_equal, named=folder) >= 60


@pytest.fixture
def exported(tmp_path):
    """An export's files as far as its digests go; what TensorFlow reads comes after them."""
    with folders.atomic_folder(str(tmp_path / "model")) as lent:
        os.makedirs(os.path.join(lent, "variables"))
        for name in ("saved_model.pb", "variables/variables.index"):
            files.write_bytes(os.path.join(lent, name), np.random.default_rng(0).bytes(400))
        info = {"size": 8, "dimension": 4, "model_digest": "ab" * 32}
        info["files"] = folders.digests(lent)
        files.write_json(os.path.join(lent, "glrtf_export.json"), info)
    return tmp_path / "model"


@pytest.mark.parametrize("name", ["saved_model.pb", "variables/variables.index"])
def test_an_export(exported, name):
    def read():
        info = files.read_json(str(exported / "glrtf_export.json"))
        folders.verify(str(exported), info["files"])
        return info

    assert assert_refused(exported / name, read, _equal) == _ALL


def test_a_file_of_another_kind_is_no_set(tmp_path, shards):
    folder = tmp_path / "set"
    folder.mkdir()
    shutil.copy(shards / "train-00000-of-00002.tfrecord", folder / "embedding_set.json")
    with pytest.raises(UserError, match=r"embedding_set\.json: not a JSON file"):
        embedding_set.EmbeddingSet.open(str(folder))
