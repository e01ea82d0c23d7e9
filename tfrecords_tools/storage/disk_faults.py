"""Disk faults, reported with the name of the file to be written."""

import contextlib
import errno
import os
import re
from collections.abc import Iterator

TEMPORARY = re.compile(r"^\..+\.[a-z0-9_]{8}\.partial$")
"""Names of files and folders that are not whole yet."""

# What the system says of a disk that takes no more bytes.
_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO}


@contextlib.contextmanager
def naming(path: str) -> Iterator[None]:
    """Gives faults of the disk the name of what was to be written.

    The system names nothing if a write fails, and a temporary file elsewhere.

    Args:
        path: That name.
    """
    try:
        yield
    except OSError as error:
        # Of a copy the second name is the one written to.
        name = str(error.filename2 or error.filename or "")
        unnamed = not name and error.errno in _FAULTS
        if unnamed or any(map(TEMPORARY.match, name.split(os.sep))):
            raise OSError(error.errno, error.strerror, path) from error
        raise
