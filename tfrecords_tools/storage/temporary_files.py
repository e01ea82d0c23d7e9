"""Temporary files in the folder of the final file: locked, moved into place, deleted if stale."""

import contextlib
import os
import stat
import tempfile

from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import disk_faults, file_systems

# Real paths of folders in which this process has looked for stale files.
_CLEANED: set[str] = set()


def create_locked(folder: str, name: str) -> tuple[int, str]:
    """A new file, locked until it is in place or this process has ended: see `remove_stale`.

    The first one in a folder removes the stale files there: a killed command that writes the same
    folder again leaves nothing behind.
    """
    real = os.path.realpath(folder)
    if real not in _CLEANED:
        _CLEANED.add(real)
        with contextlib.suppress(PermissionError):  # A folder that may be written but not listed.
            remove_stale(real)
    while True:
        handle, path = tempfile.mkstemp(prefix=f".{name}.", suffix=".partial", dir=folder)
        file_systems.lock(handle, path)
        if os.path.exists(path):
            return handle, path
        os.close(handle)  # Another process considered it stale before it was locked.


def upload_folder() -> str:
    """Where files for gs:// are written first: TMPDIR/tfrecords_tools-<user>.

    It is created if missing, private to this user.

    Raises:
        UserError: If something of another user, or a link, has that name.
    """
    folder = os.path.join(tempfile.gettempdir(), f"tfrecords_tools-{os.getuid()}")
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        kind = "a link" if stat.S_ISLNK(found.st_mode) else f"one of user {found.st_uid}"
        raise UserError(
            f"{folder}: expected a folder of this user, found {kind}; remove it, or set TMPDIR to "
            "a folder of your own"
        )
    if found.st_mode & 0o077:
        file_systems.set_rights(folder, 0o700)
    return folder


def remove_stale(folder: str) -> None:
    """Deletes the temporary files that killed processes left in a local folder; gs:// has none.

    Files that a live process is still writing are locked and stay.
    """
    if not os.path.isdir(folder):
        return
    for name in filter(disk_faults.TEMPORARY.match, os.listdir(folder)):
        path = os.path.join(folder, name)
        # Opened for writing too, which locks on NFS require.
        with contextlib.suppress(FileNotFoundError, PermissionError), open(path, "rb+") as file:
            # Without locks it is unknown whether it is still being written.
            if file_systems.lock(file.fileno(), path, wait=False):
                os.unlink(path)


def move_in_place(temporary: str, path: str) -> None:
    """Gives a written temporary file its final name, in the same folder."""
    # mkstemp makes private files; set the permissions of a new file.
    umask = os.umask(0)
    os.umask(umask)
    file_systems.set_rights(temporary, 0o666 & ~umask)
    os.replace(temporary, path)
    file_systems.sync_folder(os.path.dirname(os.path.abspath(path)))
