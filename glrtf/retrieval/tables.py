"""CSV files by column names, their faults told in one line."""

import csv
from collections.abc import Iterator, Sequence

from tfrecords_tools import csv_rows, text_tables
from tfrecords_tools.errors import UserError


def read_rows(path: str, *columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Reads a CSV file with a header.

    Args:
        path: The file, UTF-8.
        *columns: Sets of columns, of which the file must have one whole.

    Yields:
        A line's number and its values by column, empty where it ends early.

    Raises:
        UserError: On a missing file, missing or repeated columns, a row of more fields than
            the header, or bytes that are no text.
    """
    with text_tables.open_text(path) as text:
        try:
            reader = csv_rows.dict_reader(text)
            found = list(reader.fieldnames or [])
            if not any(set(wanted) <= set(found) for wanted in columns):
                expected = " or ".join(",".join(wanted) for wanted in columns)
                raise UserError(
                    f"{path}: expected a CSV with columns {expected}, "
                    f"found {','.join(found)[:80] or 'nothing'}"
                )
            if twice := csv_rows.repeated(found, found):
                raise UserError(f"{path}: expected one column {twice!r}, found it more than once")
            for row in reader:
                if None in row:
                    raise UserError(
                        f"{path}:{reader.line_num}: expected {len(found)} fields, found "
                        f"{len(found) + len(row[None])}; a field that holds a comma must stand in "
                        "quotes"
                    )
                yield reader.line_num, row
        except csv.Error as error:
            raise UserError(f"{path}: expected a CSV, found {error}") from None
