"""Offsets subtracted from scores before they are rounded to bfloat16."""

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.search.packed_candidates import HALF_SPACING, ROWS, scores_of

_SUMMED = 2.0**-22
"""More than what adding an offset back takes from a score."""


class Offsets:
    """The offsets of some queries, and the rows from which each was in use.

    Rounding is relative to the distance between a score and its offset. As
    thresholds rise, so do offsets; candidates found earlier keep their rounding error.
    """

    def __init__(self) -> None:
        self._first_rows: list[int] = []
        self._offsets: list[npt.NDArray[np.float32]] = []

    def __bool__(self) -> bool:
        return bool(self._offsets)

    def append(self, first_row: int, offsets: npt.NDArray[np.float32]) -> None:
        """Sets the offsets of the rows to come.

        Args:
            first_row: The first row that they apply to, above all rows so far.
            offsets: (queries,), each at least the previous one.
        """
        self._first_rows.append(first_row)
        self._offsets.append(offsets)

    @property
    def latest(self) -> npt.NDArray[np.float32]:
        """(queries,) the current offsets."""
        return self._offsets[-1]

    def coarseness(self, thresholds: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(queries,) the most that rounding can have lowered scores below the thresholds."""
        if not self:
            return np.zeros_like(thresholds)
        above = np.maximum(thresholds - self._offsets[0], 0)
        return np.float32(HALF_SPACING) * above + np.float32(_SUMMED)

    def greatest(self, keys: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Upper bounds of the candidates' scores before rounding.

        Args:
            keys: (queries, n) candidates of all queries.

        Returns:
            (queries, n) float64, -inf for none.
        """
        scores = scores_of(keys).astype(np.float64)
        # Scores of rows before the first offsets were not rounded.
        unrounded = np.full(len(keys), np.inf, np.float32)
        since = np.searchsorted(self._first_rows, keys & ROWS, side="right")
        offsets = np.stack([unrounded, *self._offsets])[since, np.arange(len(keys))[:, None]]
        return scores + HALF_SPACING * np.maximum(scores - offsets, 0) + _SUMMED
