"""Objects of Cloud Storage as files: compared with their checksum, decompressed."""

import contextlib
import gzip
import io
import os
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import google_crc32c

from tfrecords_tools.errors import UserError

ATTEMPTS = 3
"""How often bytes with a wrong checksum or length are fetched."""
_BLOCK = 8 << 20


def altered(path: str) -> UserError:
    """The error for an object whose bytes were received altered."""
    return UserError(
        f"{path}: its bytes do not match the checksum that storage gives: they were altered or cut "
        "on the way; run the same command again to continue"
    )


class Pieces(io.RawIOBase):
    """One version of an object, read in ranges; verified if it is read in order.

    A range has no checksum of its own. The running checksum of everything read in order is compared
    before the last piece is returned.

    Args:
        path: Its name in messages.
        size: Its length in bytes.
        crc32c: Of all its bytes; None compares only lengths.
        read: ``read(offset, length)``: bytes of that version.
    """

    def __init__(
        self, path: str, size: int, crc32c: int | None, read: Callable[[int, int], bytes]
    ) -> None:
        self._path, self._size, self._crc32c, self._read = path, size, crc32c, read
        self._position = 0
        # How many bytes from the start were read in order, and their checksum.
        self._in_order, self._checksum = 0, 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves to a place; see `io.IOBase`."""
        base = (0, self._position, self._size)[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Reads the next bytes; see `io.RawIOBase`.

        Raises:
            UserError: If the received bytes are not the stored ones.
        """
        length = min(len(buffer), self._size - self._position)
        if length <= 0:
            return 0
        buffer[:length] = self._next(length)
        self._position += length
        return length

    def _next(self, length: int) -> bytes:
        start = self._position
        if start == 0:
            self._in_order, self._checksum = 0, 0
        for _ in range(ATTEMPTS):
            data = self._read(start, length)
            if len(data) != length:
                continue
            if start != self._in_order:
                return data
            checksum = google_crc32c.extend(self._checksum, data)
            is_last = start + length == self._size
            if is_last and self._crc32c not in (None, checksum):
                continue
            self._in_order, self._checksum = start + length, checksum
            return data
        raise altered(self._path)


class Passage:
    """An object read once from its start to its end, in blocks, with a running checksum.

    Args:
        path: Its name in messages.
        size: Its length in bytes.
        read: ``read(offset, length)``: bytes of one version of it.
    """

    def __init__(self, path: str, size: int, read: Callable[[int, int], bytes]) -> None:
        self._path, self._size, self._read = path, size, read
        self._start, self._block = 0, b""
        self._whole = 0

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes from an offset that was not passed yet; fewer at the object's end."""
        stop = min(offset + length, self._size)
        data = self._rest(offset)
        while self._stop < stop:
            self._advance()
            data += self._rest(max(offset, self._start))
        return data[: max(0, stop - offset)]

    def checksum(self, offset: int, length: int) -> int:
        """The CRC-32C of bytes from an offset that was not passed yet."""
        checksum, stop = 0, offset + length
        while True:
            part = self._rest(offset)[: stop - offset]
            checksum = google_crc32c.extend(checksum, part)
            offset += len(part)
            if offset >= min(stop, self._size):
                return checksum
            self._advance()

    def finish(self) -> int:
        """Reads the rest; returns the CRC-32C of everything."""
        while self._stop < self._size:
            self._advance()
        return self._whole

    @property
    def _stop(self) -> int:
        return self._start + len(self._block)

    def _rest(self, offset: int) -> bytes:
        """The bytes from `offset` on, as far as there are any."""
        if offset < self._start:
            raise RuntimeError(f"{self._path}: byte {offset} was passed, at {self._start} now")
        return self._block[offset - self._start :]

    def _advance(self) -> None:
        start = self._stop
        length = min(_BLOCK, self._size - start)
        for _ in range(ATTEMPTS):
            data = self._read(start, length)
            if len(data) == length:
                self._start, self._block = start, data
                self._whole = google_crc32c.extend(self._whole, data)
                return
        raise altered(self._path)


class Decompressed(io.RawIOBase):
    """The content of a gzip file.

    Args:
        path: Its name in messages.
        source: The file, open for reading bytes.
    """

    def __init__(self, path: str, source: Any) -> None:
        self._path = path
        self._file = gzip.GzipFile(fileobj=source)

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True, but slow."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves to a place; see `io.IOBase`."""
        with _gzip_reported(self._path):
            if whence == os.SEEK_END:  # GzipFile cannot count from there.
                while self._file.read(_BLOCK):
                    pass
                offset, whence = self._file.tell() + offset, os.SEEK_SET
            return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        """Reads the next bytes; see `io.RawIOBase`.

        Raises:
            UserError: If the source is not a gzip file, or is damaged.
        """
        with _gzip_reported(self._path):
            return self._file.readinto(buffer)


def decompress(path: str, data: bytes) -> bytes:
    """The decompressed content of a gzip file.

    Raises:
        UserError: If they are not a gzip file, or are damaged.
    """
    with _gzip_reported(path):
        return gzip.decompress(data)


@contextlib.contextmanager
def _gzip_reported(path: str) -> Iterator[None]:
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(
            f"{path}: its Content-Encoding is gzip, but it is not a valid gzip file ({error}); "
            "upload it again"
        ) from None
