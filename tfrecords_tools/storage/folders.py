"""Local folders that appear completely or not at all, and digests of their content."""

import contextlib
import ctypes
import os
import re
import shutil
import tempfile
from collections.abc import Iterator

from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import disk_faults, file_systems, files

# renameat2(2): paths relative to the working directory; swap them.
_HERE = -100
_RENAME_EXCHANGE = 2


@contextlib.contextmanager
def atomic_folder(folder: str) -> Iterator[str]:
    """Provides an empty folder next to `folder`, which replaces it on success.

    An existing folder is replaced. An exception in the block leaves nothing behind, and files left
    by killed processes are removed.

    Args:
        folder: The final name; its parent is created if missing.

    Yields:
        The temporary folder's path.

    Raises:
        UserError: If something other than a folder has that name.
    """
    if os.path.lexists(folder) and not os.path.isdir(folder):
        what = "a file" if os.path.exists(folder) else "a link to nothing"
        raise UserError(f"{folder}: expected a folder to write to, found {what}")
    parent, name = os.path.split(os.path.abspath(folder))
    files.make_folder(parent)
    _remove_stale(parent, name)
    with disk_faults.naming(folder):
        temporary = tempfile.mkdtemp(prefix=f".{name}.", suffix=".partial", dir=parent)
    lock = os.open(temporary, os.O_RDONLY)
    try:
        # Held until this process is done or dead: see `_remove_stale`.
        file_systems.lock(lock, folder)
        with disk_faults.naming(folder):
            yield temporary
        file_systems.set_rights(temporary, 0o755)
        _replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        os.close(lock)


def digests(folder: str, without: str = "") -> dict[str, str]:
    """SHA-256 of every file below a local folder, by its name below it.

    Args:
        folder: The folder.
        without: The one name to leave out.
    """
    names = sorted(name for name, _ in files.walk(folder) if name != without)
    return {name: files.sha256(files.join(folder, name)) for name in names}


def verify(folder: str, expected: dict[str, str]) -> None:
    """Compares a folder's files with their digests; other files are ignored.

    Raises:
        UserError: Naming the first one that is missing or has changed.
    """
    for name, digest in sorted(expected.items()):
        path = files.join(folder, name)
        if files.sha256(path) != digest:
            raise UserError(f"{path}: changed since it was written; make {folder} again")


def _replace(temporary: str, folder: str) -> None:
    """Moves a folder into place; an existing one is replaced without a gap."""
    if not os.path.exists(folder):
        os.rename(temporary, folder)
    elif not _exchange(temporary, folder):
        old = f"{temporary}.old"
        os.rename(folder, old)
        os.rename(temporary, folder)
        shutil.rmtree(old, ignore_errors=True)


def _exchange(one: str, other: str) -> bool:
    """Swaps two names atomically, if the system supports it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    paths = os.fsencode(one), os.fsencode(other)
    return libc.renameat2(_HERE, paths[0], _HERE, paths[1], _RENAME_EXCHANGE) == 0


def _remove_stale(parent: str, name: str) -> None:
    """Deletes folders left by killed processes; live processes hold a lock on theirs."""
    pattern = re.compile(rf"^\.{re.escape(name)}\.[a-z0-9_]{{8}}\.partial(\.old)?$")
    for found in filter(pattern.match, os.listdir(parent)):
        path = os.path.join(parent, found)
        with contextlib.suppress(OSError):
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                if file_systems.lock(handle, path, wait=False):
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(handle)
