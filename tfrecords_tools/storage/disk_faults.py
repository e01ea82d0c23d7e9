"""Disk faults, reported with the name of the file to be written."""

import contextlib
import errno
import os
import re
from collections.abc import Iterator

TEMPORARY = re.compile(r"^\..+\.[a-z0-9_]{8}\.partial$")
"""Names of files and folders that are not complete yet."""

# The system's errors for a full disk.
_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO}


@contextlib.contextmanager
def naming(path: str) -> Iterator[None]:
    """Adds the name of the file to be written to faults of the disk.

    The system names no file if a write fails, and otherwise the temporary one.

    Args:
        path: That name.
    """
    try:
        yield
    except OSError as error:
        # In a copy the second name is the one that is written.
        name = str(error.filename2 or error.filename or "")
        unnamed = not name and error.errno in _FAULTS
        if unnamed or any(map(TEMPORARY.match, name.split(os.sep))):
            raise OSError(error.errno, error.strerror, path) from error
        raise
