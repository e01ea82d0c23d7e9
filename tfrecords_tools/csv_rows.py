"""Reading CSV files, for every command: columns by name, rows and numbers checked strictly."""

import csv
from collections.abc import Iterator, Sequence

from tfrecords_tools import text_tables
from tfrecords_tools.command.near_words import did_you_mean
from tfrecords_tools.errors import UserError

_LONGEST_FIELD = 1 << 28
"""Characters of a field: a landmark with many photos exceeds the module's own 131,072."""
_QUOTES = "; put a field that holds a comma in double quotes"


def read_rows(path: str, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Reads some columns of a CSV file with a header.

    Windows line ends, a byte order mark, quotes and blank lines are accepted.

    Args:
        path: The file, local or gs://.
        columns: The columns wanted, in the order in which they are returned.

    Yields:
        The number of the row's first line, from 1, and the wanted fields, stripped.

    Raises:
        UserError: If the file is missing, empty, or not CSV in UTF-8, lacks a column or has it
            twice, or a row has too few fields or too many.
    """
    rows = read_lines(path)
    header = _stripped(next(rows, (1, []))[1])
    places = [_place(path, header, column) for column in columns]
    needed = max(places)
    for number, fields in rows:
        if not needed < len(fields) <= len(header):
            raise UserError(
                f"{path}: line {number}: expected {len(header)} fields ({','.join(header)[:80]}), "
                f"found {len(fields)}{_QUOTES if len(fields) > len(header) else ''}"
            )
        yield number, [fields[place].strip() for place in places]


def read_header(path: str) -> list[str]:
    """The names of a CSV file's columns; empty for an empty file.

    Raises:
        UserError: If the file is missing or not CSV in UTF-8.
    """
    return _stripped(next(read_lines(path), (1, []))[1])


def choose_columns(path: str, *choices: Sequence[str]) -> Sequence[str]:
    """The first of several groups of columns that a CSV file has.

    Raises:
        UserError: If no group is complete, or the file is missing or not CSV in UTF-8.
    """
    header = read_header(path)
    for columns in choices:
        if set(columns) <= set(header):
            return columns
    expected = " or ".join(",".join(columns) for columns in choices)
    raise UserError(f"{path}: expected a CSV with columns {expected}, found {_shown(header)}")


def read_lines(path: str) -> Iterator[tuple[int, list[str]]]:
    """Reads a CSV file's rows, the header among them.

    Yields:
        The number of the row's first line, from 1, and its fields. Rows without any text are
        skipped.

    Raises:
        UserError: If the file is missing or not CSV in UTF-8.
    """
    csv.field_size_limit(_LONGEST_FIELD)
    number = 1
    with text_tables.open_text(path) as text:
        # Strict: otherwise a quote that is never closed would swallow the rest of the file.
        reader = csv.reader(text, strict=True)
        try:
            for row in reader:
                if any(map(str.strip, row)):
                    yield number, row
                number = reader.line_num + 1
        except csv.Error as error:
            raise UserError(f"{path}: line {number}: expected CSV, found {error}") from None


def whole_number(text: str) -> int | None:
    """A number from 0 to 2^63 - 1 written in the digits 0 to 9; None for anything else.

    `int` would take ``1_0``, other scripts' digits, and numbers that no int64 holds.
    """
    text = text.strip()
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 100 else -1
    return number if 0 <= number < 1 << 63 else None


def real_number(text: str) -> float:
    """A number as `float` reads it, but without ``_``; NaN for anything else."""
    try:
        return float(text) if "_" not in text else float("nan")
    except ValueError:
        return float("nan")


def _place(path: str, header: Sequence[str], column: str) -> int:
    if column not in header:
        raise UserError(
            f"{path}: expected the column {column!r}, found {_shown(header)}"
            f"{did_you_mean(column, header)}; the first line must name the columns"
        )
    if header.count(column) > 1:
        raise UserError(f"{path}: expected one column {column!r}, found it more than once")
    return header.index(column)


def _stripped(fields: Sequence[str]) -> list[str]:
    return [field.strip() for field in fields]


def _shown(header: Sequence[str]) -> str:
    return ",".join(header)[:80] or "an empty file"
