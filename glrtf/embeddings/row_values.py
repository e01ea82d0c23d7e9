"""Values of rows from a table that lists them by image id."""

import itertools
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

_PAIRS_AT_ONCE = 1 << 16


def values_of(
    ids: npt.NDArray[np.bytes_], pairs: Iterable[tuple[str, float]], dtype: npt.DTypeLike
) -> tuple[npt.NDArray, npt.NDArray[np.bool_]]:
    """Looks up the value of every row by its id.

    A dictionary of the millions of ids of a train set would take ten times the memory of the ids.

    Args:
        ids: (rows,) S dtype.
        pairs: Ids and values, in any order; others than `ids` may be among them. If an id occurs
            more than once, the last value counts.
        dtype: Of the values.

    Returns:
        (rows,) values, 0 for rows without one; (rows,) bool, whether a row has a value.
    """
    if not len(ids):
        return np.zeros(0, dtype), np.zeros(0, bool)
    known, of_row = np.unique(ids, return_inverse=True)
    values, found = np.zeros(len(known), dtype), np.zeros(len(known), bool)
    remaining = iter(pairs)
    while chunk := list(itertools.islice(remaining, _PAIRS_AT_ONCE)):
        names = [name.encode() for name, _ in chunk]
        places = np.searchsorted(known, np.array(names, known.dtype))
        # An array cuts long ids and drops zeros at their ends, so the names themselves decide.
        near = known[np.minimum(places, len(known) - 1)].tolist()
        chosen = np.flatnonzero([one == name for one, name in zip(near, names, strict=True)])
        numbers = np.array([value for _, value in chunk], dtype)
        values[places[chosen]] = numbers[chosen]
        found[places[chosen]] = True
    return values[of_row], found[of_row]
