"""Writing CSV files, for every command; `tfrecords_tools.csv_rows` reads them."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import TextIO

from tfrecords_tools.storage import files


def write(
    path: str, header: Sequence[str], rows: Iterable[Sequence[object]], *, new: bool = False
) -> None:
    """Writes a CSV file in UTF-8, completely or not at all.

    Args:
        path: The file, local or gs://.
        header: The names of the columns.
        rows: The rows, written one by one.
        new: Whether it is known that nothing has that name yet; see `files.atomic_path`.

    Raises:
        UserError: On a text that UTF-8 cannot represent, such as a file name with other bytes.
    """
    with files.atomic_path(path, new=new) as temporary:
        try:
            with open(temporary, "w", encoding="utf-8", newline="") as file:
                _write(file, header, rows)
        except UnicodeEncodeError as error:
            raise files.not_utf8(path, error) from None


def text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A CSV file's content."""
    buffer = io.StringIO()
    _write(buffer, header, rows)
    return buffer.getvalue()


def _write(file: TextIO, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
