"""Rows are compared with their digests by whatever opens a set, and read for it only once."""

import os
import shutil

import numpy as np
import pytest
import retrieval_worlds as worlds

from glrtf.commands import evaluate, retrieve, whiten
from glrtf.embeddings import digests
from glrtf.embeddings.embedding_set import EmbeddingSet, part_file
from glrtf.embeddings.rows_by_id import RowsById
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files


@pytest.fixture(autouse=True)
def records(tmp_path, monkeypatch):
    """Where it is kept what was compared."""
    folder = tmp_path / "records"
    monkeypatch.setenv("TFRECORDS_TOOLS_CACHE", str(folder))
    # Times of status change cannot be set: files written a moment ago count as old here.
    monkeypatch.setattr(digests, "_YOUNG_NS", 0)
    return folder


@pytest.fixture
def folder(tmp_path, records):
    """A set of two parts, nothing of which was compared."""
    rows = np.eye(6, dtype=np.float32)
    where = tmp_path / "set"
    worlds.write(where, [rows[:4], rows[4:]], np.array([f"{row:016x}" for row in range(6)]))
    shutil.rmtree(records)
    return where


@pytest.fixture
def read_files(monkeypatch):
    """The names of the files whose digests are computed from now on."""
    names = []
    digest = files.sha256

    def counting(path):
        names.append(os.path.basename(path))
        return digest(path)

    monkeypatch.setattr(files, "sha256", counting)
    return names


def flip_a_bit(path, position, bit=1, keep_time=False):
    """Flips one bit, and may set the file's time back."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[position] ^= bit
    path.write_bytes(data)
    if keep_time:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_files_are_read_once(folder, read_files):
    EmbeddingSet.open(folder)
    assert len(read_files) == 4
    EmbeddingSet.open(folder)
    assert len(read_files) == 4
    EmbeddingSet.open(folder, "always")
    assert len(read_files) == 8
    # Another path to the same files.
    EmbeddingSet.open(os.path.relpath(folder))
    assert len(read_files) == 8


@pytest.mark.parametrize("keep_time", [False, True])
@pytest.mark.parametrize("kind", ["embeddings", "ids"])
@pytest.mark.parametrize("verify", ["once", "always"])
def test_a_file_that_changed_after_it_was_compared_is_refused(folder, kind, keep_time, verify):
    EmbeddingSet.open(folder, verify)
    path = folder / part_file(kind, 1, 2)
    # The id stays one that occurs once, the row one of length 1.
    flip_a_bit(path, -1 if kind == "ids" else -24, 8 if kind == "ids" else 1, keep_time)
    with pytest.raises(UserError, match=f"{path.name}: changed since"):
        EmbeddingSet.open(folder, verify)
    # A refusal is not forgotten.
    with pytest.raises(UserError, match=f"{path.name}: changed since"):
        EmbeddingSet.open(folder, verify)


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_refused(folder):
    EmbeddingSet.open(folder)
    path = folder / part_file("embeddings", 1, 2)
    status = path.stat()
    other = folder / "other"
    other.write_bytes(path.read_bytes())
    flip_a_bit(other, -24)
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)
    with pytest.raises(UserError, match="changed since"):
        EmbeddingSet.open(folder)


def test_files_changed_a_moment_ago_are_compared_again(folder, read_files, monkeypatch):
    monkeypatch.setattr(digests, "_YOUNG_NS", 3_600_000_000_000)
    EmbeddingSet.open(folder)
    EmbeddingSet.open(folder)
    assert len(read_files) == 8


@pytest.mark.parametrize("damage", ["cut", "foreign", "no folder"])
def test_a_record_that_cannot_be_used_is_done_without(folder, records, read_files, damage):
    if damage == "no folder":
        records.write_text("a file where the folder should be")
    else:
        EmbeddingSet.open(folder)
        read_files.clear()
        (record,) = (records / "verified").iterdir()
        record.write_text('{"files": [1]}' if damage == "foreign" else record.read_text()[:40])
    EmbeddingSet.open(folder)
    assert len(read_files) == 4


def test_a_set_in_a_read_only_folder_is_remembered_too(folder, read_files):
    folder.chmod(0o555)
    before = sorted(path.name for path in folder.iterdir())
    try:
        EmbeddingSet.open(folder)
        EmbeddingSet.open(folder)
    finally:
        folder.chmod(0o755)
    assert len(read_files) == 4
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_set_without_digests_is_refused_in_one_line(folder):
    path = str(folder / "embedding_set.json")
    info = files.read_json(path)
    del info["parts"][1]["ids_sha256"]
    files.write_json(path, info)
    with pytest.raises(UserError, match=r"embedding_set\.json: .*ids_sha256"):
        EmbeddingSet.open(folder)


def _retrieve(world, out):
    return retrieve.main(world.arguments("--output", out))


def _whiten(world, out):
    sets = {"train": "train", "query": "test", "index": "index"}
    named = [text for flag, s in sets.items() for text in (f"--{flag}", str(world.folder / s))]
    return whiten.main([*named, "--dimension=4", "--output", str(out)])


def _evaluate(world, out):
    out.mkdir()
    (out / "s.csv").write_text(f"id,images,Usage\nq,{world.index_ids[0].decode()},Public\n")
    (out / "p.csv").write_text(f"id,images\nq,{world.index_ids[0].decode()}\n")
    files_given = [str(out / "p.csv"), str(out / "s.csv")]
    return evaluate.main([*files_given, "--index", str(world.folder / "index")])


@pytest.mark.parametrize("command", [_retrieve, _whiten, _evaluate])
def test_every_command_refuses_a_flipped_bit(tmp_path, capsys, command):
    world = worlds.make_world(tmp_path / "world", test=6, index=30, train=60, train_parts=2)
    assert command(world, tmp_path / "sound") == 0
    capsys.readouterr()
    path = world.folder / "index" / part_file("embeddings", 1, 3)
    # The lowest bit of a number's first byte: a change of one part in 2**23.
    flip_a_bit(path, -4)
    assert command(world, tmp_path / "damaged") == 2
    error = capsys.readouterr().err
    assert f"{path}: changed since the set was made" in error and "Traceback" not in error
    assert not list((tmp_path / "damaged").glob("**/embedding_set.json"))


def test_the_report_refuses_it_too(folder):
    RowsById.open([str(folder)])
    flip_a_bit(folder / part_file("embeddings", 0, 2), -4)
    with pytest.raises(UserError, match="changed since"):
        RowsById.open([str(folder)])
