"""Builds that are killed, run out of disk, may not write, or run twice at once."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from tiny_gldv2 import files_below, write_train

from tfrecords_tools import build, inspect_apart, writer
from tfrecords_tools.command import stopping
from tfrecords_tools.dataset_info import DatasetInfo
from tfrecords_tools.storage import files, temporary_files

# A shard takes long enough to be caught in the middle.
_NUM_IMAGES = 600


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    root = tmp_path_factory.mktemp("survival") / "gldv2"
    write_train(root, _NUM_IMAGES)
    return root


@pytest.fixture(scope="module")
def expected(tmp_path_factory, source):
    output = tmp_path_factory.mktemp("expected") / "out"
    assert build.main(_flags(source, output)) == 0
    assert DatasetInfo.load(str(output / "train")).counts["reencoded"] == _NUM_IMAGES
    return files_below(output)


def _flags(source, output, workers=1) -> list[str]:
    flags = ["--source", source, "--output", output, "--splits", "train", "--num-shards", "4"]
    # Decoding and re-encoding make the work slow.
    flags += ["--verify", "decode", "--max-side", "30", "--workers", workers]
    return [str(flag) for flag in flags]


def _start(source, output, workers=1) -> subprocess.Popen:
    command = [sys.executable, "-m", "tfrecords_tools.build", *_flags(source, output, workers)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)


def _wait_for(condition, process) -> None:
    for _ in range(300_000):
        if condition():
            return
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.002)
    raise AssertionError("waited in vain")


def _partials(folder: Path) -> list[Path]:
    return list(folder.rglob(".*.partial"))


@pytest.mark.parametrize(("num_whole", "workers"), [(0, 1), (3, 1), (1, 2)])
def test_kill_in_the_middle_of_a_shard(tmp_path, source, expected, num_whole, workers):
    output = tmp_path / "out"
    builder = _start(source, output, workers)
    train = output / "train"
    _wait_for(
        lambda: (
            len(list(train.glob("*.tfrecord"))) >= num_whole
            and list(train.glob(".train-*.partial"))
        ),
        builder,
    )
    builder.send_signal(signal.SIGKILL)
    builder.wait()
    _wait_for_workers(builder)
    left = files_below(output)
    # What stands under a final name is whole; what is not has another name.
    for name, data in left.items():
        if not name.endswith(".partial"):
            assert data == expected[name]
    assert "train/dataset_info.json" not in left
    assert build.main(_flags(source, output)) == 0
    assert files_below(output) == expected


def _wait_for_workers(builder: subprocess.Popen) -> None:
    """Waits until the killed builder's workers, who share its session, have ended too."""
    for _ in range(60_000):
        try:
            os.killpg(builder.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    raise AssertionError("workers outlive the builder")


def test_stale_files_of_the_living_are_left_alone(tmp_path):
    with files.atomic_path(str(tmp_path / "shard")) as temporary:
        temporary_files.remove_stale(str(tmp_path))
        assert Path(temporary).exists()
        Path(temporary).write_bytes(b"whole")
    stale = tmp_path / ".shard.abcdefgh.partial"
    stale.write_bytes(b"half")
    (tmp_path / "other.partial").write_bytes(b"mine")
    temporary_files.remove_stale(str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.partial", "shard"]


def test_the_first_new_file_in_a_folder_removes_stale_ones(tmp_path):
    """Whatever the killed command was: it wrote to the same folder."""
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / ".rows.npy.abcdefgh.partial").write_bytes(b"half")
    with files.atomic_path(str(folder / "ids.npy")) as temporary:
        assert [path.name for path in folder.iterdir()] == [Path(temporary).name]
        Path(temporary).write_bytes(b"whole")
    assert [path.name for path in folder.iterdir()] == ["ids.npy"]


def test_an_exception_inside_the_writer_leaves_no_trace(tmp_path, source, expected, monkeypatch):
    inspect, calls = inspect_apart.inspect, []

    def fail_at_the_two_hundredth(*arguments):
        calls.append(1)
        if len(calls) == 200:
            raise RuntimeError("out of order")
        return inspect(*arguments)

    monkeypatch.setattr(inspect_apart, "inspect", fail_at_the_two_hundredth)
    output = tmp_path / "out"
    with pytest.raises(RuntimeError, match="out of order"):
        build.main(_flags(source, output))
    monkeypatch.undo()
    assert not _partials(output)
    assert len(list((output / "train").glob("*.tfrecord"))) == 1
    assert build.main(_flags(source, output)) == 0
    assert files_below(output) == expected


def test_a_full_disk_is_one_line_and_the_run_can_resume(
    tmp_path, source, expected, monkeypatch, capsys
):
    # Writing to /dev/full fails as on a full disk: ENOSPC when the buffer is flushed.
    def open_on_full_disk(_, mode, buffer):
        return open("/dev/full", mode, buffer)

    monkeypatch.setattr(writer, "open", open_on_full_disk, raising=False)
    output = tmp_path / "out"
    assert build.main(_flags(source, output)) == 2
    error = capsys.readouterr().err
    assert "No space left on device" in error and "Traceback" not in error
    assert not _partials(output) and not list(output.rglob("*.tfrecord"))
    monkeypatch.undo()
    assert build.main(_flags(source, output)) == 0
    assert files_below(output) == expected


@contextlib.contextmanager
def _nobody():
    """Takes the rights of root away, to whom no folder is read-only."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_read_only_folder_is_one_line(source, capsys):
    place = Path(tempfile.mkdtemp())
    try:
        shutil.copytree(source, place / "gldv2")
        (place / "out").mkdir(mode=0o555)
        place.chmod(0o755)
        with _nobody():
            assert build.main(_flags(place / "gldv2", place / "out")) == 2
        error = capsys.readouterr().err
        assert "Permission denied" in error and str(place / "out") in error
        assert "Traceback" not in error
        assert not list((place / "out").iterdir())
    finally:
        shutil.rmtree(place)


def test_two_builders_on_one_output_do_not_harm_each_other(tmp_path, source, expected):
    builders = [_start(source, tmp_path / "out") for _ in range(2)]
    for builder in builders:
        _, error = builder.communicate()
        assert builder.returncode == 0, error
    assert files_below(tmp_path / "out") == expected


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_build_leaves_no_process_and_is_resumed(tmp_path, source, expected, number):
    output = tmp_path / "out"
    builder = _start(source, output, workers=2)
    _wait_for(lambda: list((output / "train").glob(".train-*.partial")), builder)
    os.killpg(builder.pid, number)
    _, error = builder.communicate()
    assert builder.returncode == stopping.STOPPED, error
    assert error.splitlines()[-1].endswith(": stopped; the same command resumes")
    assert "Traceback" not in error
    _wait_for_workers(builder)
    assert build.main(_flags(source, output)) == 0
    assert files_below(output) == expected


def test_a_killed_worker_is_one_line(tmp_path, source, expected):
    output = tmp_path / "out"
    builder = _start(source, output, workers=2)
    _wait_for(lambda: list((output / "train").glob(".train-*.partial")), builder)
    children = Path(f"/proc/{builder.pid}/task/{builder.pid}/children").read_text().split()
    # The pool's first worker follows the tracker that multiprocessing starts for itself.
    os.kill(int(children[-1]), signal.SIGKILL)
    _, error = builder.communicate()
    assert builder.returncode == 2
    assert "a worker process was killed" in error and "Traceback" not in error
    assert build.main(_flags(source, output)) == 0
    assert files_below(output) == expected
