"""Files of an earlier release, in this folder: read as they are, and written again alike."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny_gldv2 import files_below

from glrtf.commands import retrieve
from glrtf.embeddings.embedding_set import EmbeddingSet, finish, write_part
from glrtf.models.arrays import write_arrays
from glrtf.training import checkpoints
from tfrecords_tools import build, check
from tfrecords_tools.build import BuildConfig

HERE = Path(__file__).parent


@pytest.fixture
def build_config(tmp_path):
    """The settings of the shards here; the source is copied, since builds keep notes in it."""
    shutil.copytree(HERE / "source", tmp_path / "source")
    return BuildConfig(
        str(tmp_path / "source"),
        str(tmp_path / "shards"),
        num_shards=2,
        workers=1,
        splits=["train", "index"],
    )


def records(folder):
    """The shards, tables and what was left out; descriptions may gain keys."""
    below = files_below(Path(folder))
    return {n: data for n, data in below.items() if n.endswith((".tfrecord", ".csv"))}


def test_a_source_gives_the_same_shards(build_config):
    build.build(build_config)
    found = records(build_config.output)
    assert len(found) == 9
    assert found == records(HERE / "shards")


def test_a_finished_build_is_taken_as_it_is(build_config, tmp_path):
    shutil.copytree(HERE / "shards", build_config.output)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.tfrecord")}
    build.build(build_config)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert records(build_config.output) == records(HERE / "shards")


@pytest.mark.parametrize(("split", "count"), [("train", 12), ("index", 3)])
def test_shards_are_sound(split, count, capsys):
    assert check.main([str(HERE / "shards" / split)]) == 0
    assert f"{count} images in 2 shards" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["test", "index", "train", "half"])
def test_sets_are_read_and_written_again_alike(name, tmp_path):
    source = EmbeddingSet.open(HERE / "sets" / name)
    for part in range(source.num_parts):
        rows, ids = source.part(part)
        assert rows.dtype == (np.float16 if name == "half" else np.float32)
        write_part(str(tmp_path), part, source.num_parts, rows, ids)
    finish(str(tmp_path), source.num_parts, model="synthetic")
    arrays = files_below(HERE / "sets" / name)
    assert arrays.keys() == files_below(tmp_path).keys()
    for file in arrays.keys() - {"embedding_set.json"}:
        assert (tmp_path / file).read_bytes() == arrays[file]


def test_sets_are_ranked_alike(tmp_path):
    sets = HERE / "sets"
    flags = {"query": "test", "index": "index", "train": "train", "landmarks": "train.csv"}
    named = [f"--{flag}={sets / name}" for flag, name in flags.items()]
    named += [f"--non_landmark={sets / 'non_landmark'}"]
    named += ["--train_neighbors.per_part=0", "--train_neighbors.k=30"]
    assert retrieve.main([*named, "--output", str(tmp_path)]) == 0
    for name in ("submission.csv", "evidence.npz"):
        assert (tmp_path / name).read_bytes() == (HERE / "ranked" / name).read_bytes()


def test_checkpoints_are_read_and_written_again_alike(tmp_path):
    found = checkpoints.find(str(HERE / "run"))
    position = found.position
    assert (position.update, position.epoch, position.num_classes) == (7, 1.5, 5)
    assert (position.images, position.metrics) == (28, {"loss": 0.25})
    arrays = found.arrays()
    assert arrays["model/kernel"].shape == (3, 2) and arrays["optimizer/iterations"] == 7
    write_arrays(str(tmp_path / "again.npz"), arrays)
    assert (tmp_path / "again.npz").read_bytes() == Path(found.arrays_path).read_bytes()
