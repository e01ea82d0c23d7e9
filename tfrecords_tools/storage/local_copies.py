"""Local copies of gs:// files that need a memory map.

A copy is fetched completely, compared with the object's checksum, and reused as long as the object
is unchanged. The copies are in TFRECORDS_TOOLS_CACHE, or else in ``~/.cache/tfrecords_tools``, and
may be deleted whenever nothing reads them.
"""

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterator

from tfrecords_tools.errors import UserError
from tfrecords_tools.progress import Progress
from tfrecords_tools.storage import files, remote
from tfrecords_tools.storage.checked_reading import ATTEMPTS, altered
from tfrecords_tools.storage.remote import FileState

_PIECE = 64 << 20
"""Bytes fetched by one request."""
_SHOWN_FROM = 64 << 20
"""From this many bytes on, fetching a file shows progress."""


def copies_folder() -> str:
    """The folder of the copies."""
    given = os.environ.get("TFRECORDS_TOOLS_CACHE")
    return given or os.path.join(os.path.expanduser("~"), ".cache", "tfrecords_tools")


_listings: dict[str, dict[str, FileState]] = {}
_lock = threading.Lock()


@contextlib.contextmanager
def listed(folder: str) -> Iterator[None]:
    """`local_copy` takes the states of a gs:// folder's files from one listing, inside.

    Otherwise each call asks storage whether its object has changed. Use it to open many files of a
    folder that nothing writes to in the meantime; all threads share it.
    """
    if not files.is_remote(folder) or folder in _listings or not files.exists(folder):
        yield
        return
    found = files.states(folder)
    with _lock:
        _listings[folder] = found
    try:
        yield
    finally:
        with _lock:
            _listings.pop(folder, None)


def local_copy(path: str) -> str:
    """A local path that holds a file: its own, or for gs:// that of a copy.

    Args:
        path: The file.

    Raises:
        UserError: If there is no such file, it is stored compressed, or the fetched bytes differ
            from the stored ones.
    """
    if not files.is_remote(path):
        return path
    above, _, below = path.rpartition("/")
    state = _listings.get(above, {}).get(below) or files.state(path)
    if state is None:
        raise UserError(f"{path}: no such file")
    if state.encoding:
        raise UserError(
            f"{path}: expected a file stored as it is, found Content-Encoding {state.encoding}; "
            "upload it again without compression (no -z, -Z or -j)"
        )
    folder = copies_folder()
    stem = hashlib.sha256(path.encode()).hexdigest()[:24]
    name = f"{stem}-{state.version}-{os.path.basename(path)}"
    copy = os.path.join(folder, name)
    if os.path.exists(copy) and os.path.getsize(copy) == state.size:
        return copy
    with files.atomic_path(copy) as temporary:
        if not any(_fetched(path, temporary, state) for _ in range(ATTEMPTS)):
            raise altered(path)
    for older in files.list_names(folder):
        if older.startswith(f"{stem}-") and older != name:
            files.delete(os.path.join(folder, older))
    return copy


def _fetched(path: str, target: str, state: FileState) -> bool:
    """Fetches an object; returns whether that version was received."""
    parts = range(0, state.size, _PIECE)
    shown = state.size >= _SHOWN_FROM
    progress = Progress(f"fetching {path}", state.size >> 20, "MiB") if shown else None
    with open(target, "wb") as file, progress or contextlib.nullcontext():
        for start in parts:
            file.write(remote.read_range(path, start, _PIECE, state.version))
            if progress:
                progress.update(min(_PIECE, state.size - start) >> 20)
    found = os.path.getsize(target), files.crc32c(target)
    return found == (state.size, state.crc32c)
