"""Computes a file's digest while it is read."""

import hashlib
from typing import BinaryIO


class HashingReader:
    """Reads a file from its beginning and digests what is read.

    Args:
        file: Open for reading bytes.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end."""
        data = self._file.read(size)
        self._digest.update(data)
        return data

    def finish(self) -> str:
        """Reads the rest; returns the SHA-256 of everything, 64 hex digits."""
        while self.read(1 << 20):
            pass
        return self._digest.hexdigest()
