"""Temporary files in the folder of the final file: locked, moved into place, cleared if stale."""

import contextlib
import os
import stat
import tempfile

from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import disk_faults, file_systems


def create_locked(folder: str, name: str) -> tuple[int, str]:
    """A new file, locked until it is in place or this process is dead: see `remove_stale`."""
    while True:
        handle, path = tempfile.mkstemp(prefix=f".{name}.", suffix=".partial", dir=folder)
        file_systems.lock(handle, path)
        if os.path.exists(path):
            return handle, path
        os.close(handle)  # Another process took it for stale before it was locked.


def upload_folder() -> str:
    """Where files bound for gs:// are written first: TMPDIR/tfrecords_tools-<user>.

    It is created if missing, for this user alone.

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

    Those that a live process still writes are locked by it and are left alone.
    """
    if not os.path.isdir(folder):
        return
    for name in filter(disk_faults.TEMPORARY.match, os.listdir(folder)):
        path = os.path.join(folder, name)
        # Open for writing too, as locks on NFS want it.
        with contextlib.suppress(FileNotFoundError, PermissionError), open(path, "rb+") as file:
            # Without locks nobody knows whether it is still written.
            if file_systems.lock(file.fileno(), path, wait=False):
                os.unlink(path)


def move_in_place(temporary: str, path: str) -> None:
    """Gives a written temporary file its final name, in the same folder."""
    # mkstemp makes private files; give it the rights any new file gets.
    umask = os.umask(0)
    os.umask(umask)
    file_systems.set_rights(temporary, 0o666 & ~umask)
    os.replace(temporary, path)
    file_systems.sync_folder(os.path.dirname(os.path.abspath(path)))
