"""The k best rows per query out of approximate scores with a known error.

A search feeds tiles of approximate scores, each at most `error` away from the
true one. Per query a running threshold, the k-th best seen so far less twice
the error, lets only rows pass that may still belong to the k truly best:
k rows score at least t approximately, so at least t - error truly; whoever
beats them scores more than t - 2·error approximately. What passes is collected in
small buffers, pruned now and then, and scored exactly at the end.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.neighbors import NO_ROW, Neighbors, best

ExactScores = Callable[[int, npt.NDArray[np.int64]], npt.NDArray[np.float64]]
"""(query, rows) -> the true scores of those rows, float64."""

_ROOM = 2
"""Buffers hold this many times k candidates before they are pruned."""


class Candidates:
    """Collects what may belong to the k best of each query of a block.

    Args:
        num_queries: How many queries the block has.
        k: How many neighbours are wanted, at least 1.
        error: How far an approximate score may be from the true one.
        exact_scores: Gives the true scores.
    """

    def __init__(self, num_queries: int, k: int, error: float, exact_scores: ExactScores) -> None:
        self._k = k
        self._slack = np.float32(2 * error)
        self._error = error
        self._exact_scores = exact_scores
        room = _ROOM * k + 64
        self._scores = np.full((num_queries, room), -np.inf, np.float32)
        self._rows = np.full((num_queries, room), NO_ROW, np.int64)
        self._counts = np.zeros(num_queries, np.int64)
        self._exact_floor = np.full(num_queries, -np.inf, np.float32)
        self.thresholds = np.full(num_queries, -np.inf, np.float32)

    def add(self, scores: npt.NDArray[np.float32], first_row: int) -> None:
        """Looks through one tile.

        Args:
            scores: (num_queries, tile) float32 approximate scores.
            first_row: The database row of the tile's first column.
        """
        passed = _passed(scores, self.thresholds)
        if len(passed) == 0:
            return
        queries, columns = np.divmod(passed, scores.shape[1])
        counts = np.bincount(queries, minlength=len(self._counts))
        self._make_room(counts)
        starts = np.cumsum(counts) - counts
        slots = np.arange(len(passed)) - starts[queries] + self._counts[queries]
        self._scores[queries, slots] = scores.reshape(-1)[passed]
        self._rows[queries, slots] = columns + first_row
        self._counts += counts
        if (self._counts > self._scores.shape[1] // 2).any():
            self._prune()

    def finish(self) -> Neighbors:
        """The k best of all tiles: true scores, descending, ties by ascending row."""
        self._prune()
        width = int(self._counts.max(initial=0))
        rows = self._rows[:, :width]
        scores = np.full(rows.shape, -np.inf)
        for query, count in enumerate(self._counts):
            scores[query, :count] = self._exact_scores(query, rows[query, :count])
        return best(rows, scores, self._k)

    def _make_room(self, counts: npt.NDArray[np.int64]) -> None:
        room = self._scores.shape[1]
        if (self._counts + counts <= room).all():
            return
        self._prune()
        needed = int((self._counts + counts).max())
        if needed > room:
            wider = ((0, 0), (0, needed - room))
            self._scores = np.pad(self._scores, wider, constant_values=-np.inf)
            self._rows = np.pad(self._rows, wider, constant_values=NO_ROW)

    def _prune(self) -> None:
        """Raises the thresholds and drops what no longer passes them."""
        k = self._k
        if self._scores.shape[1] < k:
            return
        kth = -np.partition(-self._scores, k - 1, axis=1)[:, k - 1]
        self.thresholds = np.maximum(kth - self._slack, self._exact_floor)
        self._drop(self._scores < self.thresholds[:, None])
        crowded = np.flatnonzero(self._counts > _ROOM * k)
        for query in crowded:
            self._settle(int(query))

    def _drop(self, dropped: npt.NDArray[np.bool_]) -> None:
        """Removes candidates and closes the gaps, order kept."""
        self._scores[dropped] = -np.inf
        self._rows[dropped] = NO_ROW
        order = np.argsort(self._rows == NO_ROW, axis=1, kind="stable")
        self._scores = np.take_along_axis(self._scores, order, axis=1)
        self._rows = np.take_along_axis(self._rows, order, axis=1)
        self._counts = (self._rows != NO_ROW).sum(axis=1)

    def _settle(self, query: int) -> None:
        """Decides a query with very many near-ties by their true scores."""
        count = self._counts[query]
        rows = self._rows[query, :count].copy()
        true = self._exact_scores(query, rows)
        kept = np.lexsort((rows, -true))[: self._k]
        approximate = self._scores[query, kept].copy()
        self._scores[query] = -np.inf
        self._rows[query] = NO_ROW
        self._scores[query, : self._k] = approximate
        self._rows[query, : self._k] = rows[kept]
        self._counts[query] = len(kept)
        # Rounded down: a tie with the k-th best must still pass.
        floor = np.nextafter(np.float32(true[kept[-1]] - self._error), np.float32(-2))
        self._exact_floor[query] = floor
        self.thresholds[query] = max(self.thresholds[query], floor)


def _passed(
    scores: npt.NDArray[np.float32], thresholds: npt.NDArray[np.float32]
) -> npt.NDArray[np.int64]:
    """The flat positions of scores at or above their query's threshold, ascending."""
    return np.flatnonzero(scores >= thresholds[:, None])
