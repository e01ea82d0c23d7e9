"""What was taken off scores before they were rounded to bfloat16, for the rows of a search."""

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.search.packed_candidates import HALF_SPACING, ROWS, scores_of

_SUMMED = 2.0**-22
"""More than adding a base back takes from a score."""


class Bases:
    """The bases of some queries, and from which row on they held.

    A score is rounded in proportion to what it has above its base. While
    floors rise, bases follow them; what was found before keeps its coarseness.
    """

    def __init__(self) -> None:
        self._first_rows: list[int] = []
        self._bases: list[npt.NDArray[np.float32]] = []

    def __bool__(self) -> bool:
        return bool(self._bases)

    def follow(self, first_row: int, bases: npt.NDArray[np.float32]) -> None:
        """Names other bases.

        Args:
            first_row: The row from which on they hold, above all rows so far.
            bases: (queries,), nowhere below those before.
        """
        self._first_rows.append(first_row)
        self._bases.append(bases)

    @property
    def latest(self) -> npt.NDArray[np.float32]:
        """(queries,) the bases that hold now."""
        return self._bases[-1]

    def coarseness(self, floors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(queries,) how far a score below its query's floor was rounded down, at most."""
        if not self:
            return np.zeros_like(floors)
        above = np.maximum(floors - self._bases[0], 0)
        return np.float32(HALF_SPACING) * above + np.float32(_SUMMED)

    def greatest(self, keys: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """What candidates scored at most before their scores were rounded down.

        Args:
            keys: (queries, n) candidates of all queries.

        Returns:
            (queries, n) float64, -inf for none.
        """
        scores = scores_of(keys).astype(np.float64)
        # Rows before the first of them have scores that were not rounded.
        unrounded = np.full(len(keys), np.inf, np.float32)
        since = np.searchsorted(self._first_rows, keys & ROWS, side="right")
        bases = np.stack([unrounded, *self._bases])[since, np.arange(len(keys))[:, None]]
        return scores + HALF_SPACING * np.maximum(scores - bases, 0) + _SUMMED
