"""Values of rows from a table that lists them by image id."""

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from tfrecords_tools.errors import UserError

_AT_ONCE = 1 << 16


def values_of(
    path: str,
    ids: npt.NDArray[np.bytes_],
    table: Iterable[tuple[int, str, float]],
    dtype: npt.DTypeLike,
    single: str = "",
) -> tuple[npt.NDArray, npt.NDArray[np.bool_]]:
    """Looks up the value of every row by its id.

    A dictionary of the millions of ids of a train set would take several times the memory.

    Args:
        path: The table's name in messages.
        ids: (rows,) S dtype.
        table: Line, id and value, in any order; other ids may be among them.
        dtype: Of the values.
        single: What the value is. If given, an id must not have several values; otherwise the last
            one counts.

    Returns:
        (rows,) values, 0 for rows without one; (rows,) bool, whether a row has a value.

    Raises:
        UserError: If an id has several values, naming the line.
    """
    if not len(ids):
        return np.zeros(0, dtype), np.zeros(0, bool)
    known, of_row = np.unique(ids, return_inverse=True)
    values, found = np.zeros(len(known), dtype), np.zeros(len(known), bool)
    remaining = iter(table)
    while chunk := list(itertools.islice(remaining, _AT_ONCE)):
        names = [name.encode() for _, name, _ in chunk]
        places = np.searchsorted(known, np.array(names, known.dtype))
        # An array cuts long ids and drops zeros at their ends, so the names themselves decide.
        near = known[np.minimum(places, len(known) - 1)].tolist()
        chosen = np.flatnonzero([one == name for one, name in zip(near, names, strict=True)])
        places, numbers = places[chosen], np.array([chunk[n][2] for n in chosen], dtype)
        before = np.where(found[places], values[places], numbers)
        values[places], found[places] = numbers, True
        if single and ((before != numbers) | (values[places] != numbers)).any():
            _refuse_several(path, [chunk[n] for n in chosen], places, before, single)
    return values[of_row], found[of_row]


def _refuse_several(
    path: str,
    lines: Sequence[tuple[int, str, float]],
    places: npt.NDArray[np.int64],
    before: npt.NDArray,
    single: str,
) -> None:
    """Raises a `UserError` for the first line whose value differs from an earlier one."""
    first: dict[int, float] = {}
    for (line, name, value), place, earlier in zip(
        lines, places.tolist(), before.tolist(), strict=True
    ):
        known = first.setdefault(place, earlier)
        if known != value:
            raise UserError(
                f"{path}, line {line}: expected one {single} for image {name}, found {value} after"
                f" {known}; remove one"
            )
