"""CSV files by column names, their faults told in one line."""

import csv
from collections.abc import Iterator, Sequence

from tfrecords_tools import text_tables
from tfrecords_tools.errors import UserError


def read_rows(path: str, *columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Reads a CSV file with a header.

    Args:
        path: The file, UTF-8.
        *columns: Sets of columns, of which the file must have one whole.

    Yields:
        A line's number and its values by column, empty where it ends early.

    Raises:
        UserError: On a missing file, missing columns or bytes that are no text.
    """
    with text_tables.open_text(path) as text:
        try:
            reader = csv.DictReader(text, restval="")
            found = reader.fieldnames or []
            if not any(set(wanted) <= set(found) for wanted in columns):
                expected = " or ".join(",".join(wanted) for wanted in columns)
                raise UserError(
                    f"{path}: expected a CSV with columns {expected}, "
                    f"found {','.join(found)[:80] or 'nothing'}"
                )
            for row in reader:
                yield reader.line_num, row
        except csv.Error as error:
            raise UserError(f"{path}: expected a CSV, found {error}") from None
