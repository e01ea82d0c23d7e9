"""Reading the small CSV files of the competitions, row by row."""

import csv
from collections.abc import Iterator, Sequence

from tfrecords_tools import csv_rows, text_tables
from tfrecords_tools.command.cli import did_you_mean
from tfrecords_tools.errors import UserError


def read_rows(path: str, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Reads some columns of a CSV file with a header.

    Windows line ends, a byte order mark, quotes and empty lines are accepted.

    Args:
        path: The file.
        columns: The columns wanted, in the order in which they are returned.

    Yields:
        The line's number, from 1, and the wanted fields, stripped.

    Raises:
        UserError: If the file is missing, empty or not text, lacks a column, or
            a line has too few fields or too many.
    """
    with text_tables.open_text(path) as text:
        try:
            header = [name.strip() for name in _fields(text.readline())]
            places = [_place(path, header, column) for column in columns]
            if twice := csv_rows.repeated(header, columns):
                raise UserError(f"{path}: expected one column {twice!r}, found it more than once")
            needed = max(places)
            for number, line in enumerate(text, start=2):
                fields = _fields(line)
                if needed < len(fields) <= len(header):
                    yield number, [fields[place].strip() for place in places]
                elif line.strip():
                    raise UserError(
                        f"{path}, line {number}: expected {len(header)} fields "
                        f"({','.join(header)}), found {len(fields)}"
                    )
        except csv.Error as error:
            raise UserError(f"{path}: not a CSV file ({error})") from None


def _fields(line: str) -> list[str]:
    """A line's fields; the CSV reader's state machine only where it is needed."""
    if '"' not in line:
        return line.split(",")
    return next(csv_rows.reader([line]))


def read_header(path: str) -> list[str]:
    """The names of a CSV file's columns.

    Raises:
        UserError: If the file is missing or not text.
    """
    with text_tables.open_text(path) as text:
        return [name.strip() for name in text.readline(1 << 16).strip().split(",")]


def _place(path: str, header: Sequence[str], column: str) -> int:
    if column in header:
        return header.index(column)
    found = ",".join(header) if any(header) else "an empty file"
    raise UserError(
        f"{path}: expected the column {column!r}, found {found}{did_you_mean(column, header)}"
    )
