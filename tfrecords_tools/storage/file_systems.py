"""What some file systems lack: locks, flushing a folder, reserving space, permissions, advice.

NFS, SMB and buckets mounted by FUSE lack some of these. Commands work there anyway, and report once
what is missing.
"""

import contextlib
import errno
import fcntl
import functools
import os
import sys
from collections.abc import Iterator

_MISSING = {
    errno.ENOSYS,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.EINVAL,
    errno.ENOTTY,
    errno.ENODEV,
}
"""The errors of a file system for unsupported operations."""
# NFS turns a lock into another kind, which folders and files open for reading do not support.
_WITHOUT_LOCKS = _MISSING | {errno.ENOLCK, errno.EBADF, errno.EISDIR, errno.EACCES}
_BLOCK = 1 << 20


def lock(handle: int, path: str, *, wait: bool = True) -> bool | None:
    """Locks an open file or folder for this process.

    Args:
        handle: Its descriptor; closing it releases the lock.
        path: Its name in the note.
        wait: Whether to wait for another process that holds the lock.

    Returns:
        True with the lock; False if another process holds it; None, after a note, on a file system
        without locks.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            raise
        _note(os.path.dirname(path), "has no locks: let one command at a time write there")
        return None
    return True


@contextlib.contextmanager
def locked(folder: str) -> Iterator[bool]:
    """Locks a folder inside the block, unless another process has; no lock outlives its process.

    Args:
        folder: An existing local folder.

    Yields:
        Whether this process may work there: False if another one holds the lock.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield lock(handle, os.path.join(folder, ""), wait=False) is not False
    finally:
        os.close(handle)


def sync(handle: int, path: str) -> None:
    """Makes what was written to an open file or folder survive a power cut, if possible."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _MISSING | {errno.EBADF, errno.EISDIR}:
            raise
        _note(os.path.dirname(path), "does not flush: a power cut may lose what was written last")


def sync_folder(folder: str) -> None:
    """Makes a rename in a folder survive a power cut, if the file system supports that."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        if error.errno not in _MISSING | {errno.EISDIR, errno.EACCES}:
            raise
        return
    try:
        sync(handle, os.path.join(folder, ""))
    finally:
        os.close(handle)


def reserve(handle: int) -> None:
    """Allocates all blocks of an open file on disk.

    Raises:
        OSError: If there is not enough space.
    """
    size = os.fstat(handle).st_size
    try:
        os.posix_fallocate(handle, 0, max(1, size))
    except OSError as error:
        if error.errno not in _MISSING:
            raise
        # Writing the same bytes allocates its blocks.
        for start in range(0, size, _BLOCK):
            os.pwrite(handle, os.pread(handle, _BLOCK, start), start)


def set_rights(path: str, mode: int) -> None:
    """Changes a file's permissions, if the file system has any."""
    try:
        os.chmod(path, mode)
    except OSError as error:
        if error.errno not in _MISSING | {errno.EPERM, errno.EACCES}:
            raise


def advise(handle: int, offset: int, length: int, advice: int) -> None:
    """Tells the system how a file will be read; the system may ignore it."""
    with contextlib.suppress(OSError):
        os.posix_fadvise(handle, offset, length, advice)


@functools.cache
def _note(folder: str, what: str) -> None:
    print(f"note: {folder}: this file system {what}", file=sys.stderr)
