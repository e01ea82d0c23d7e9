"""Embedding sets and retrieval's output on gs://."""

import os
import shutil

import numpy as np
import pytest
import retrieval_worlds as worlds
from tiny_gldv2 import files_below

from glrtf.commands import retrieve
from glrtf.embeddings.embedding_set import EmbeddingSet
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, local_copies, remote

_ROOT = "gs://bucket"


@pytest.fixture
def copies(storage, tmp_path, monkeypatch):
    """Where copies go; the bucket is empty afterwards."""
    monkeypatch.setattr(remote, "FIRST_DELAY", 0.01)
    monkeypatch.setenv("TFRECORDS_TOOLS_CACHE", str(tmp_path / "copies"))
    yield tmp_path / "copies"
    for name, _ in files.walk(_ROOT):
        files.delete(f"{_ROOT}/{name}")
    storage.requests.clear()


def upload(folder):
    for name, data in files_below(folder).items():
        files.write_bytes(f"{_ROOT}/{name}", data)


def copied(copies):
    """The copies, without the record of what was compared."""
    return [name for name in os.listdir(copies) if name.endswith(".npy")]


def small_rows():
    return np.eye(6, 4, dtype=np.float32) + np.eye(6, 4, -4, dtype=np.float32)


def test_a_set_is_written_read_and_verified_there(copies):
    ids = [f"{row:016x}" for row in range(6)]
    written = worlds.write(f"{_ROOT}/set", [small_rows()[:4], small_rows()[4:]], np.array(ids))
    opened = EmbeddingSet.open(f"{_ROOT}/set")
    opened.verify()
    assert opened.digest == written.digest and opened.ids.tolist() == [i.encode() for i in ids]
    np.testing.assert_array_equal(opened.part(1)[0], small_rows()[4:])
    assert len(copied(copies)) == 4


def test_a_copy_is_fetched_once_and_again_when_the_object_changes(copies, storage):
    folder = f"{_ROOT}/set"
    worlds.write(folder, [small_rows()], np.array([f"{row:016x}" for row in range(6)]))
    before = sorted(copied(copies))
    EmbeddingSet.open(folder)
    assert sorted(copied(copies)) == before
    worlds.write(folder, [small_rows()[::-1]], np.array([f"{row:016x}" for row in range(6)]))
    np.testing.assert_array_equal(EmbeddingSet.open(folder).part(0)[0], small_rows()[::-1])
    assert len(copied(copies)) == len(before)


def _requests_to_open(storage, folder, parts):
    rows = np.eye(parts, 4, dtype=np.float32)
    rows[:, 3] = 1
    rows /= np.linalg.norm(rows, axis=1)[:, None]
    ids = np.array([f"{row:016x}" for row in range(parts)])
    worlds.write(folder, np.split(rows, parts), ids)
    shutil.rmtree(local_copies.copies_folder())
    found = []
    for _ in range(2):
        storage.requests.clear()
        opened = EmbeddingSet.open(folder)
        for part in range(parts):
            opened.read(part, 0, 1)
        found.append(list(storage.requests))
    return found


def test_a_folder_is_listed_once_and_no_part_is_looked_up(copies, storage):
    """Besides the bytes of its two files, and the second time not even these."""
    few, few_again = _requests_to_open(storage, f"{_ROOT}/few", 2)
    many, many_again = _requests_to_open(storage, f"{_ROOT}/many", 6)
    assert len(many) - len(few) == 2 * (6 - 2)
    assert len(many_again) == len(few_again)
    parts = [line for line in many if "of-00006.npy" in line]
    assert len(parts) == 2 * 6 and all("alt=media" in line for line in parts)


def test_a_missing_part_is_named(copies):
    folder = f"{_ROOT}/set"
    worlds.write(folder, [small_rows()], np.array([f"{row:016x}" for row in range(6)]))
    files.delete(f"{folder}/embeddings-00000-of-00001.npy")
    with pytest.raises(UserError, match=r"gs://bucket/set/embeddings-00000.*no such file"):
        EmbeddingSet.open(folder)


def test_retrieval_from_and_to_storage_ranks_as_from_disk(copies, tmp_path):
    world = worlds.make_world(
        tmp_path / "world", test=8, index=60, train=200, train_parts=2, landmarks=10
    )
    assert retrieve.main(world.arguments("--output", tmp_path / "out")) == 0
    upload(world.folder)
    remote_flags = [one.replace(str(world.folder), _ROOT) for one in world.arguments()]
    for _ in range(2):
        assert retrieve.main([*remote_flags, "--output", f"{_ROOT}/out"]) == 0
    for name in ("submission.csv", "evidence.npz"):
        assert files.read_bytes(f"{_ROOT}/out/{name}") == (tmp_path / "out" / name).read_bytes()
    described = files.read_json(f"{_ROOT}/out/retrieval.json")
    assert "train_neighbors" in described["reused_stages"]
    assert described["files"]["submission.csv"] == files.sha256(f"{_ROOT}/out/submission.csv")


def test_beam_passes_neighbours_through_storage(copies, tmp_path):
    pytest.importorskip("apache_beam")
    world = worlds.make_world(
        tmp_path / "world", test=8, index=60, train=20, train_parts=2, landmarks=10
    )
    upload(world.folder)
    arguments = ["--query", f"{_ROOT}/test", "--index", f"{_ROOT}/index", "--preset", "direct"]
    remote_flags = ["--search.backend=beam", "--search.beam_options", "runner=DirectRunner"]
    assert retrieve.main([*arguments, "--output", str(tmp_path / "here")]) == 0
    remote_flags += [f"temp_location={_ROOT}/tmp", "--output", str(tmp_path / "remote")]
    assert retrieve.main([*arguments, *remote_flags]) == 0
    found = [(tmp_path / name / "submission.csv").read_bytes() for name in ("here", "remote")]
    assert found[0] == found[1]
    assert not [name for name, _ in files.walk(f"{_ROOT}/tmp")]
