"""Checks an embedding set's files against their digests, once per file.

SHA-256 takes about a second per gigabyte, too long for every search. So compared files are recorded
with their digests in a small file of this user, outside the set, which may be read-only. The record
has the file's identity (device and inode), size and times: a file that was written, copied or
replaced since is compared again.
"""

import contextlib
import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, TypedDict

from tfrecords_tools.errors import UserError
from tfrecords_tools.progress import Progress
from tfrecords_tools.storage import files, json_shapes
from tfrecords_tools.storage.local_copies import copies_folder, local_copy

Verify = Literal["once", "always"]

_FOLDER = "verified"
_YOUNG_NS = 2_000_000_000
"""A file changed so lately is not remembered: one more change might leave its times as they are.

File systems count time in steps, FAT in steps of 2 s.
"""
_SHOWN_FROM = 1 << 28
"""Comparing that many bytes shows a progress bar."""

_Identity = list[int]


def compare(
    folder: str, expected: Mapping[str, str], verify: Verify = "once", what: str = "the set"
) -> None:
    """Compares the files of a set, or of another sealed folder, with their digests.

    Args:
        folder: The folder that they are below, for the record.
        expected: Path -> SHA-256, 64 hex digits.
        verify: ``once``: files that were compared before and are unchanged are not read;
            ``always``: every file is read.
        what: What messages call the folder's content.

    Raises:
        UserError: Naming the first file that has changed, or is missing.
    """
    known = {} if verify == "always" else _read(folder)
    identities = {path: _identity(path, what) for path in expected}
    wanted = [
        path
        for path, digest in expected.items()
        if known.get(os.path.relpath(path, folder)) != [*identities[path], digest]
    ]
    if not wanted:
        return
    for path, digest in zip(wanted, _digests(wanted), strict=True):
        if digest != expected[path]:
            raise UserError(f"{path}: changed since {what} was made; make {what} again")
    remember(folder, expected, identities)


def remember(
    folder: str, digests: Mapping[str, str], identities: Mapping[str, _Identity] | None = None
) -> None:
    """Records that files were compared, except those that changed in the last seconds.

    Args:
        folder: The set's folder.
        digests: Path -> SHA-256 of all files of the set.
        identities: Path -> what `os.stat` said of each before it was read; None looks now.
    """
    now = time.time_ns()
    record = {}
    for path, digest in digests.items():
        identity = _identity(path)
        before = identity if identities is None else identities[path]
        if identity == before and now - max(identity[-2:]) > _YOUNG_NS:
            record[os.path.relpath(path, folder)] = [*identity, digest]
    if not record:
        return
    # If nothing can be recorded, files are compared each time.
    with contextlib.suppress(OSError):
        files.write_json(_record_path(folder), {"files": record})


def _digests(paths: Sequence[str]) -> list[str]:
    sizes = [os.path.getsize(local_copy(path)) for path in paths]
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
    found = []
    with contextlib.ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(min(processors, 8)))
        progress = None
        if sum(sizes) >= _SHOWN_FROM:
            title = "verifying embedding set"
            progress = stack.enter_context(Progress(title, sum(sizes) >> 20, "MiB"))
        for size, digest in zip(sizes, threads.map(_digest, paths), strict=True):
            found.append(digest)
            if progress:
                progress.update(size >> 20)
    return found


def _digest(path: str) -> str:
    return files.sha256(local_copy(path))


def _identity(path: str, what: str = "the set") -> _Identity:
    """The file's identity and its last change; for gs:// objects, those of the local copy."""
    try:
        status = os.stat(local_copy(path))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {what} is not whole, make it again") from None
    times = [status.st_mtime_ns, status.st_ctime_ns]
    return [status.st_dev, status.st_ino, status.st_size, *times]


class _Record(TypedDict):
    files: dict[str, list[Any]]


def _read(folder: str) -> dict[str, list]:
    """The record of earlier comparisons; empty without a valid one."""
    path = _record_path(folder)
    try:
        known = json_shapes.read(path, _Record)["files"] if os.path.exists(path) else {}
    except (UserError, OSError):
        return {}
    return known


def _record_path(folder: str) -> str:
    name = folder if files.is_remote(folder) else os.path.realpath(folder)
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:24]
    return os.path.join(copies_folder(), _FOLDER, f"{digest}.json")
