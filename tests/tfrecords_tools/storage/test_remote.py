"""Storage that works, and storage that does not."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from storage_emulator import Fault
from tiny_gldv2 import files_below, write_train, write_unlabelled

from tfrecords_tools import build
from tfrecords_tools.build import BuildConfig
from tfrecords_tools.dataset_info import DatasetInfo
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, remote, temporary_files

_ROOT = "gs://bucket"


@pytest.fixture
def gate(storage, monkeypatch):
    """The emulator without troubles, an empty bucket, and quick new tries."""
    monkeypatch.setattr(remote, "FIRST_DELAY", 0.01)
    yield storage
    storage.faults.clear()
    for name, _ in files.walk(_ROOT):
        files.delete(f"{_ROOT}/{name}")
    storage.requests.clear()


@pytest.fixture
def source(tmp_path):
    root = tmp_path / "gldv2"
    write_train(root)
    write_unlabelled(root, "test")
    return root


def _upload(folder: Path, prefix: str) -> None:
    for name, data in files_below(folder).items():
        files.write_bytes(f"{_ROOT}/{prefix}/{name}", data)


def _objects(prefix: str) -> dict[str, bytes]:
    folder = f"{_ROOT}/{prefix}"
    return {name: files.read_bytes(f"{folder}/{name}") for name, _ in files.walk(folder)}


def _config(source, output, **settings) -> BuildConfig:
    settings = {"num_shards": 2, "workers": 1, "splits": ["train", "test"]} | settings
    return BuildConfig(str(source), str(output), **settings)


def _same_but_for_memory(one, other) -> bool:
    """Whether two builds are equal; what is remembered of tars holds their time or generation."""
    one, other = ({k: v for k, v in d.items() if "source_index" not in k} for d in (one, other))
    return one == other


def test_objects_are_files(gate):
    files.write_bytes(f"{_ROOT}/a/b/c.txt", b"hello")
    files.write_bytes(f"{_ROOT}/a/d.txt", b"")
    assert files.read_bytes(f"{_ROOT}/a/b/c.txt") == b"hello"
    assert files.list_names(f"{_ROOT}/a") == ["b", "d.txt"]
    assert list(files.walk(f"{_ROOT}/a")) == [("b/c.txt", 5), ("d.txt", 0)]
    assert files.exists(f"{_ROOT}/a") and files.exists(f"{_ROOT}/a/d.txt")
    assert files.exists(_ROOT)  # Which holds nothing but a folder.
    assert not files.exists(f"{_ROOT}/a/d")
    # echo -n hello | md5sum
    assert files.state(f"{_ROOT}/a/b/c.txt").md5 == "5d41402abc4b2a76b9719d911017c592"
    with files.open_read(f"{_ROOT}/a/b/c.txt") as file:
        assert (file.read(2), file.read()) == (b"he", b"llo")
    files.delete(f"{_ROOT}/a/d.txt")
    assert files.state(f"{_ROOT}/a/d.txt") is None


@pytest.mark.parametrize(
    ("offset", "length", "expected"), [(0, 5, b"01234"), (8, 5, b"89"), (10, 5, b""), (3, 0, b"")]
)
def test_ranges_end_where_the_object_ends(gate, offset, length, expected):
    files.write_bytes(f"{_ROOT}/digits", b"0123456789")
    assert remote.read_range(f"{_ROOT}/digits", offset, length) == expected


@pytest.mark.parametrize("size", [10, 9 << 20])  # in one request, and resumable
@pytest.mark.parametrize(
    "fault",
    [
        Fault("POST|PUT", times=3, status=503),
        Fault("POST|PUT", times=3, status=429),
        Fault("POST|PUT", times=2, status=500),
        Fault("POST|PUT", times=3),
        Fault("POST|PUT", times=1, stall=1.0),
        Fault("PUT", times=2, status=503),
        Fault("GET", times=2, status=503),
        Fault("GET", times=1, stall=1.0),
    ],
    ids=lambda fault: f"{fault.match}-{fault.status or 'reset'}-{fault.stall}",
)
def test_passing_trouble_is_survived(gate, monkeypatch, fault, size):
    if fault.stall:
        monkeypatch.setattr(remote, "TIMEOUT", fault.stall / 2)
    data = os.urandom(size)
    gate.faults = [Fault(**vars(fault))]
    files.write_bytes(f"{_ROOT}/x", data)
    assert files.read_bytes(f"{_ROOT}/x") == data


def test_an_outage_ends_with_an_error_at_the_deadline(gate, monkeypatch):
    monkeypatch.setattr(remote, "DEADLINE", 1.0)
    gate.faults = [Fault("", times=10**6, status=503)]
    with pytest.raises(UserError, match=r"storage did not answer within 1 s \(last: 503"):
        files.write_bytes(f"{_ROOT}/x", b"data")
    assert len(gate.requests) > 2


def test_an_outage_of_the_whole_server_ends_too(gate, monkeypatch):
    monkeypatch.setattr(remote, "DEADLINE", 1.0)
    gate.faults = [Fault("", times=10**6)]
    with pytest.raises(UserError, match="storage did not answer within 1 s"):
        files.read_bytes(f"{_ROOT}/x")


@pytest.mark.parametrize("match", ["GET", "POST"])
def test_a_refusal_is_not_tried_again(gate, match):
    gate.faults = [Fault(f"{match} .*/o", times=10**6, status=403)]
    with pytest.raises(UserError, match=r"storage refused \(403"):
        files.write_bytes(f"{_ROOT}/x", b"data")
    assert len([line for line in gate.requests if re.match(f"{match} .*/o", line)]) == 1


def test_a_missing_bucket_is_reported(gate):
    with pytest.raises(UserError, match="no such object or bucket"):
        files.list_names("gs://no-such-bucket/x")


def test_a_lost_answer_does_not_make_a_second_version(gate):
    """The upload arrives, its answer does not: trying again meets the precondition."""
    files.write_bytes(f"{_ROOT}/x", b"data")
    before = files.state(f"{_ROOT}/x")
    gate.faults = [Fault("GET .*/o/x", times=1, status=404)]  # as if it did not exist yet
    files.write_bytes(f"{_ROOT}/x", b"data")
    assert files.state(f"{_ROOT}/x") == before


def test_of_two_builders_with_other_bytes_the_second_stops(gate):
    files.write_bytes(f"{_ROOT}/x", b"theirs")
    gate.faults = [Fault("GET .*/o/x", times=1, status=404)]  # they wrote after this look
    with pytest.raises(UserError, match="another builder wrote other bytes"):
        files.write_bytes(f"{_ROOT}/x", b"mine")
    assert files.read_bytes(f"{_ROOT}/x") == b"theirs"


def test_equal_bytes_are_not_sent_again(gate):
    files.write_bytes(f"{_ROOT}/x", b"data")
    gate.requests.clear()
    files.write_bytes(f"{_ROOT}/x", b"data")
    assert not [line for line in gate.requests if line.startswith(("POST", "PUT"))]


def test_a_build_to_storage_equals_one_to_disk(gate, tmp_path, source, monkeypatch):
    # Other processes of this user may upload at the same time.
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    build.build(_config(source, tmp_path / "local"))
    build.build(_config(source, f"{_ROOT}/out"))
    assert _same_but_for_memory(_objects("out"), files_below(tmp_path / "local"))
    assert DatasetInfo.load(f"{_ROOT}/out/train").num_examples == 24
    assert not list(Path(temporary_files.upload_folder()).glob("*.partial"))


def test_a_build_from_storage_equals_one_from_disk(gate, tmp_path, source):
    build.build(_config(source, tmp_path / "local"))
    _upload(source, "gldv2")
    gate.requests.clear()
    build.build(_config(f"{_ROOT}/gldv2", tmp_path / "out"))
    assert _same_but_for_memory(files_below(tmp_path / "out"), files_below(tmp_path / "local"))
    tars = [r for r in gate.requests if "download" in r and ".tar" in r]
    # Each image once, and one block of headers for each of four small tars: no reading for MD5,
    # which storage knows.
    assert len(tars) == 30 + 4


def test_extracted_files_on_storage_are_a_source(gate, tmp_path, source):
    import tarfile

    build.build(_config(source, tmp_path / "local", splits=["test"]))
    with tarfile.open(source / "test" / "images_000.tar") as tar:
        tar.extractall(source / "test", filter="data")
    (source / "test" / "images_000.tar").unlink()
    _upload(source, "gldv2")
    build.build(_config(f"{_ROOT}/gldv2", tmp_path / "out", splits=["test"]))
    for name, data in files_below(tmp_path / "local").items():
        if name.endswith(".tfrecord"):
            assert (tmp_path / "out" / name).read_bytes() == data


def test_a_repeated_build_reads_no_shard(gate, source):
    build.build(_config(source, f"{_ROOT}/out", splits=["train"]))
    gate.requests.clear()
    build.build(_config(source, f"{_ROOT}/out", splits=["train"]))
    assert not [line for line in gate.requests if "download" in line and ".tfrecord" in line]
    assert not [line for line in gate.requests if line.startswith(("POST", "PUT"))]


def test_a_build_survives_trouble_on_the_way(gate, tmp_path, source):
    build.build(_config(source, tmp_path / "local"))
    _upload(source, "gldv2")
    gate.faults = [Fault("download", 5, status=503), Fault("POST", 5, status=429), Fault("GET", 5)]
    build.build(_config(f"{_ROOT}/gldv2", f"{_ROOT}/out"))
    assert all(fault.times == 0 for fault in gate.faults)
    assert _same_but_for_memory(_objects("out"), files_below(tmp_path / "local"))


# Uploads before the first shard: plan.json, three tar indexes, plan.json with the number of shards.
@pytest.mark.parametrize("uploads_before", [5, 6], ids=["shard", "receipt"])
def test_kill_in_the_middle_of_an_upload(gate, tmp_path, source, uploads_before):
    build.build(_config(source, tmp_path / "local"))
    flags = ["--source", str(source), "--output", f"{_ROOT}/out", "--num-shards", "2"]
    flags += ["--workers", "1", "--splits", "train", "test"]
    stalled = Fault("POST .*upload", after=uploads_before, stall=30.0)
    gate.faults = [stalled]
    temporaries = tmp_path / "tmp"
    temporaries.mkdir()
    builder = subprocess.Popen(
        [sys.executable, "-m", "tfrecords_tools.build", *flags],
        env={**os.environ, "TMPDIR": str(temporaries)},
        stderr=subprocess.DEVNULL,
    )
    while stalled.times:
        assert builder.poll() is None
        time.sleep(0.02)
    builder.send_signal(signal.SIGKILL)
    builder.wait()
    (left,) = temporaries.rglob("*.partial")
    assert ("tfrecord" in left.name) == (uploads_before == 5)
    gate.faults = []
    done = subprocess.run(
        [sys.executable, "-m", "tfrecords_tools.build", *flags],
        env={**os.environ, "TMPDIR": str(temporaries)},
        check=True,
        stderr=subprocess.PIPE,
    )
    assert b"Traceback" not in done.stderr
    assert _same_but_for_memory(_objects("out"), files_below(tmp_path / "local"))
    assert not list(temporaries.rglob("*.partial"))
