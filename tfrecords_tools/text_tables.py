"""Opens CSV files as UTF-8 text, or reports in one line what was found instead."""

import contextlib
import io
from collections.abc import Iterator
from typing import TextIO

from tfrecords_tools import file_kinds
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

_SAVE_AGAIN = "save it as CSV UTF-8"
_UNPACK = "unpack it first"
_UNPACKED = ("gzip", "bzip2", "xz", "RAR", "7z")


@contextlib.contextmanager
def open_text(path: str) -> Iterator[TextIO]:
    """Opens a CSV file as UTF-8 text; a byte order mark is skipped.

    Bytes that are not UTF-8 are never replaced: two names that differ in such a
    byte would become one.

    Args:
        path: The file, local or gs://.

    Yields:
        The text, with unchanged line ends.

    Raises:
        UserError: If the file is missing, of another kind, or not UTF-8, also while it
            is read inside the block.
    """
    with files.open_read(path) as binary:
        kind = file_kinds.describe(binary.read(file_kinds.HEAD))
        if kind:
            remedy = _UNPACK if any(name in kind for name in _UNPACKED) else _SAVE_AGAIN
            raise UserError(f"{path}: expected CSV text in UTF-8, found {kind}; {remedy}")
        binary.seek(0)
        with io.TextIOWrapper(binary, encoding="utf-8-sig", newline="") as text:
            try:
                yield text
            except UnicodeDecodeError:
                raise UserError(_not_utf8(path)) from None


def _not_utf8(path: str) -> str:
    """Names the first line that is not UTF-8; the decoder itself reads in blocks."""
    with files.open_read(path) as binary:
        for number, line in enumerate(binary, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                shown = line[max(0, error.start - 10) : error.end + 10].decode("latin-1").strip()
                return (
                    f"{path}: line {number}: expected text in UTF-8, found another encoding near"
                    f" {shown!r}; {_SAVE_AGAIN}"
                )
    return f"{path}: expected text in UTF-8, found a file that changes while it is read"
