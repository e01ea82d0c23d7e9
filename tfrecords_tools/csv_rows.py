"""CSV rows and the numbers in them, read strictly."""

import csv
import re
from collections.abc import Iterable
from typing import Any

_LONGEST_FIELD = 1 << 28
"""Characters of a field: a landmark with many photos exceeds the module's own 131,072."""
_WHOLE = re.compile(r"[0-9]+", re.ASCII)


def reader(lines: Iterable[str]) -> Any:
    """A `csv.reader` that takes long fields."""
    csv.field_size_limit(_LONGEST_FIELD)
    return csv.reader(lines)


def dict_reader(lines: Iterable[str]) -> "csv.DictReader[str]":
    """A `csv.DictReader` that takes long fields; fields left out are empty texts."""
    csv.field_size_limit(_LONGEST_FIELD)
    return csv.DictReader(lines, restval="")


def whole_number(text: str) -> int | None:
    """A number from 0 to 2^63 - 1 written in the digits 0 to 9; None for all else.

    `int` would take ``1_0``, other scripts' digits, and numbers that no int64 holds.
    """
    text = text.strip()
    number = int(text) if _WHOLE.fullmatch(text) and len(text) < 100 else -1
    return number if 0 <= number < 1 << 63 else None


def real_number(text: str) -> float:
    """A number as `float` reads it, but without ``_``; NaN for all else."""
    try:
        return float(text) if "_" not in text else float("nan")
    except ValueError:
        return float("nan")


def repeated(header: list[str], wanted: Iterable[str]) -> str:
    """The first of the wanted columns that a header names more than once; empty for none."""
    return next((name for name in wanted if header.count(name) > 1), "")
