"""File systems that lack something, as NFS, SMB and mounted buckets do."""

import errno
import fcntl
import os
import stat
import subprocess
import sys

import numpy as np
import pytest
from tiny_gldv2 import files_below, write_train

from tfrecords_tools import build
from tfrecords_tools.build import BuildConfig
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import array_files, file_systems, files, folders, temporary_files


@pytest.fixture(autouse=True)
def _no_notes_yet():
    file_systems._note.cache_clear()


def _failing(number):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    return fail


def _fail_for_folders(number):
    whole = os.fsync

    def fsync(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(number, os.strerror(number))
        whole(handle)

    return fsync


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF])
def test_a_file_system_without_locks_is_written_to_with_one_note(
    tmp_path, monkeypatch, capsys, number
):
    monkeypatch.setattr(fcntl, "flock", _failing(number))
    for _ in range(2):
        files.write_bytes(str(tmp_path / "file"), b"data")
    with folders.atomic_folder(str(tmp_path / "folder")) as folder:
        files.write_bytes(os.path.join(folder, "inside"), b"data")
    assert files_below(tmp_path) == {"file": b"data", "folder/inside": b"data"}
    notes = [line for line in capsys.readouterr().err.splitlines() if str(tmp_path) in line]
    assert f"note: {tmp_path}: this file system has no locks: let one command at" in notes[0]
    assert len(notes) == len(set(notes))


def test_without_locks_no_temporary_file_counts_as_stale(tmp_path, monkeypatch):
    partial = tmp_path / ".file.abcdefgh.partial"
    partial.write_bytes(b"perhaps still written")
    monkeypatch.setattr(fcntl, "flock", _failing(errno.ENOLCK))
    temporary_files.remove_stale(str(tmp_path))
    assert partial.exists()
    monkeypatch.undo()
    temporary_files.remove_stale(str(tmp_path))
    assert not partial.exists()


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.EBADF])
def test_folders_that_cannot_be_flushed(tmp_path, monkeypatch, capsys, number):
    monkeypatch.setattr(os, "fsync", _fail_for_folders(number))
    files.write_bytes(str(tmp_path / "file"), b"data")
    assert (tmp_path / "file").read_bytes() == b"data"
    assert f"note: {tmp_path}: this file system does not flush" in capsys.readouterr().err


def test_a_disk_that_fails_is_not_taken_for_one_that_cannot_flush(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", _failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        files.write_bytes(str(tmp_path / "file"), b"data")
    assert files_below(tmp_path) == {}


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_file_systems_without_rights(tmp_path, monkeypatch, number):
    monkeypatch.setattr(os, "chmod", _failing(number))
    files.write_bytes(str(tmp_path / "file"), b"data")
    assert (tmp_path / "file").read_bytes() == b"data"


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
def test_room_is_reserved_by_writing_without_fallocate(tmp_path, monkeypatch, number):
    monkeypatch.setattr(os, "posix_fallocate", _failing(number))
    path = str(tmp_path / "array.npy")
    array = array_files.create(path, np.dtype(np.float32), (1 << 20, 3))
    assert os.stat(path).st_blocks * 512 >= array.nbytes
    array[:] = 1
    array.flush()
    assert np.load(path).sum() == 3 << 20


def test_a_disk_without_room_is_no_missing_feature(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "posix_fallocate", _failing(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left"):
        array_files.create(str(tmp_path / "array.npy"), np.dtype(np.float32), (10, 3))


def test_a_build_where_everything_is_missing(tmp_path, monkeypatch):
    write_train(tmp_path / "gldv2", 6, num_tars=1)
    config = {"splits": ["train"], "num_shards": 2, "workers": 1}
    build.build(BuildConfig(str(tmp_path / "gldv2"), str(tmp_path / "out"), **config))
    monkeypatch.setattr(fcntl, "flock", _failing(errno.ENOLCK))
    monkeypatch.setattr(os, "fsync", _failing(errno.EINVAL))
    monkeypatch.setattr(os, "chmod", _failing(errno.EPERM))
    monkeypatch.setattr(os, "posix_fadvise", _failing(errno.EINVAL))
    build.build(BuildConfig(str(tmp_path / "gldv2"), str(tmp_path / "there"), **config))
    assert files_below(tmp_path / "there") == files_below(tmp_path / "out")


def test_the_folder_for_uploads_is_private(tmp_path, monkeypatch):
    monkeypatch.setattr(temporary_files.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = temporary_files.upload_folder()
    assert folder == str(tmp_path / f"tfrecords_tools-{os.getuid()}")
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    os.chmod(folder, 0o755)  # As earlier releases made it.
    assert stat.S_IMODE(os.stat(temporary_files.upload_folder()).st_mode) == 0o700


def test_a_link_in_place_of_the_folder_for_uploads_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(temporary_files.tempfile, "gettempdir", lambda: str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"tfrecords_tools-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="expected a folder of this user, found a link; remove it"):
        temporary_files.upload_folder()


def test_the_folder_of_another_user_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(temporary_files.tempfile, "gettempdir", lambda: str(tmp_path))
    temporary_files.upload_folder()
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    (tmp_path / f"tfrecords_tools-{owner}").rename(tmp_path / f"tfrecords_tools-{owner + 1}")
    with pytest.raises(UserError, match=f"found one of user {owner}"):
        temporary_files.upload_folder()


def test_names_that_are_no_utf8_are_named(tmp_path):
    name = os.fsdecode(b"photo-\xff.jpg")
    with pytest.raises(UserError, match=r"info\.json: expected names in UTF-8 to write there"):
        files.write_json(str(tmp_path / "info.json"), {"photo": name})


def test_output_that_the_terminal_cannot_show_is_no_traceback(tmp_path):
    """A terminal that knows ASCII alone, and a name that is no UTF-8."""
    write_train(tmp_path / "gldv2", 3, num_tars=1)
    output = os.path.join(os.fsencode(tmp_path), b"caf\xc3\xa9-\xff")
    command = [sys.executable, "-m", "tfrecords_tools.build", "--source", tmp_path / "gldv2"]
    flags = ["--output", output, "--splits", "train", "--num-shards", "1", "--workers", "1"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    for last in (None, ["tfrecords_tools.check", output]):
        arguments = [*command, *flags] if last is None else [sys.executable, "-m", *last]
        done = subprocess.run(arguments, env=environment, capture_output=True, check=False)
        assert b"Traceback" not in done.stderr, done.stderr


def test_a_folder_is_locked_for_one_process_at_a_time(tmp_path):
    # flock distinguishes openings of a folder, not processes.
    folder = str(tmp_path)
    with file_systems.locked(folder) as first, file_systems.locked(folder) as second:
        assert (first, second) == (True, False)
    with file_systems.locked(str(tmp_path)) as again:
        assert again is True
