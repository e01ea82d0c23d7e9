"""A disk of a few MiB that can be filled up or made read-only; mounting it needs root."""

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

_KIB = 1024
_LIBC = ctypes.CDLL(None, use_errno=True)
_READ_ONLY, _REMOUNT, _DETACH = 1, 32, 2
_FILLER = "other"


def _mount(place: Path, options: bytes, flags: int = 0) -> bool:
    return _LIBC.mount(b"none", os.fsencode(place), b"tmpfs", flags, options) == 0


def lend(place: Path, mib: int = 4) -> Iterator[Path]:
    """Yields an empty disk at a folder to be made; skips the test where none can be mounted."""
    place.mkdir()
    if not _mount(place, b"size=%dm" % mib):
        pytest.skip("mounting a small disk needs root and the right to mount")
    yield place
    _LIBC.umount2(os.fsencode(place), _DETACH)


def make_read_only(disk: Path) -> None:
    """From now on nothing can be written to it; no file on it may be open for that."""
    assert _mount(disk, b"", _REMOUNT | _READ_ONLY)


def make_writable(disk: Path) -> None:
    """Undoes `make_read_only`."""
    assert _mount(disk, b"", _REMOUNT)


def leave_free(disk: Path, kib: int) -> None:
    """Fills the disk up except for so much."""
    make_room(disk)
    with open(disk / _FILLER, "wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while file.write(bytes(_KIB * 4)):
                pass
        file.truncate(file.tell() - kib * _KIB)


def make_room(disk: Path) -> None:
    """Takes away what `leave_free` wrote."""
    (disk / _FILLER).unlink(missing_ok=True)


def used_kib(disk: Path) -> int:
    """How much of it is taken."""
    status = os.statvfs(disk)
    return (status.f_blocks - status.f_bavail) * status.f_bsize // _KIB


def files_on(disk: Path) -> list[str]:
    """Names of all files but the one that fills it up."""
    paths = (path for path in disk.rglob("*") if path.is_file() and path.name != _FILLER)
    return sorted(str(path.relative_to(disk)) for path in paths)
