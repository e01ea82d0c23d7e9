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

PairScores = Callable[[npt.NDArray[np.int64], npt.NDArray[np.int64]], npt.NDArray[np.float64]]
"""(queries, rows) of pairs -> their true scores."""

_ROOM = 3
"""Buffers hold this many times k candidates."""
_PRUNE_AFTER = 0.5
"""Thresholds are raised once this many times k candidates a query have come."""


class Candidates:
    """Collects what may belong to the k best of each query of a block.

    Args:
        num_queries: How many queries the block has.
        k: How many neighbours are wanted, at least 1.
        error: How far an approximate score may be from the true one.
        pair_scores: Gives the true scores.

    Attributes:
        thresholds: (num_queries,) float32: what a score must reach to pass.
    """

    def __init__(self, num_queries: int, k: int, error: float, pair_scores: PairScores) -> None:
        self._k = k
        self._error = error
        self._pair_scores = pair_scores
        room = _ROOM * k + 64
        self._scores = np.full((num_queries, room), -np.inf, np.float32)
        self._rows = np.full((num_queries, room), NO_ROW, np.int64)
        self._counts = np.zeros(num_queries, np.int64)
        self._fresh = 0
        self.thresholds = np.full(num_queries, -np.inf, np.float32)
        self._passed: npt.NDArray[np.bool_] = np.empty((num_queries, 0), bool)

    def add(self, scores: npt.NDArray[np.float32], first_row: int) -> None:
        """Looks through one tile.

        Args:
            scores: (num_queries, tile) float32 approximate scores.
            first_row: The database row of the tile's first column.
        """
        if self._passed.shape != scores.shape:
            self._passed = np.empty(scores.shape, bool)
        np.greater_equal(scores, self.thresholds[:, None], out=self._passed)
        passed = np.flatnonzero(self._passed)
        if len(passed):
            queries, columns = np.divmod(passed, scores.shape[1])
            self.insert(queries, columns + first_row, scores.reshape(-1)[passed])

    def insert(
        self,
        queries: npt.NDArray[np.int64],
        rows: npt.NDArray[np.int64],
        scores: npt.NDArray[np.float32],
    ) -> None:
        """Takes in candidates that passed.

        Args:
            queries: (n,) ascending.
            rows: (n,) database rows.
            scores: (n,) float32 approximate scores.
        """
        counts = np.bincount(queries, minlength=len(self._counts))
        if (self._counts + counts > self._scores.shape[1]).any():
            self._prune()
            self._widen(int((self._counts + counts).max()))
        slots = np.arange(len(queries)) - np.repeat(
            np.cumsum(counts) - counts - self._counts, counts
        )
        self._scores[queries, slots] = scores
        self._rows[queries, slots] = rows
        self._counts += counts
        self._fresh += len(queries)
        if self._fresh > _PRUNE_AFTER * self._k * len(self._counts):
            self._prune()

    def finish(self) -> Neighbors:
        """The k best of all tiles: true scores, descending, ties by ascending row."""
        self._prune()
        width = int(self._counts.max(initial=0))
        rows = self._rows[:, :width]
        queries, slots = np.nonzero(rows != NO_ROW)
        scores = np.full(rows.shape, -np.inf)
        scores[queries, slots] = self._pair_scores(queries, rows[queries, slots])
        return best(rows, scores, self._k)

    def _widen(self, room: int) -> None:
        more = ((0, 0), (0, max(0, room - self._scores.shape[1])))
        if more[1][1]:
            self._scores = np.pad(self._scores, more, constant_values=-np.inf)
            self._rows = np.pad(self._rows, more, constant_values=NO_ROW)

    def _prune(self) -> None:
        """Raises the thresholds and drops what no longer passes them."""
        self._fresh = 0
        width = int(self._counts.max(initial=0))
        if width < self._k:
            return
        kth = np.partition(self._scores[:, :width], width - self._k, axis=1)[:, width - self._k]
        # Rounded down, so that rounding never shuts out a row.
        floor = np.nextafter(kth - np.float32(2 * self._error), np.float32(-np.inf))
        np.maximum(self.thresholds, floor, out=self.thresholds)
        self._keep(self._scores[:, :width] >= self.thresholds[:, None])
        crowded = np.flatnonzero(self._counts > (_ROOM - 1) * self._k + 64)
        if len(crowded):
            self._settle(crowded)

    def _keep(self, kept: npt.NDArray[np.bool_]) -> None:
        """Drops all other candidates and closes the gaps, order kept."""
        queries, slots = np.nonzero(kept & (self._rows[:, : kept.shape[1]] != NO_ROW))
        scores, rows = self._scores[queries, slots], self._rows[queries, slots]
        counts = np.bincount(queries, minlength=len(self._counts))
        slots = np.arange(len(queries)) - np.repeat(np.cumsum(counts) - counts, counts)
        self._scores[:, : kept.shape[1]] = -np.inf
        self._rows[:, : kept.shape[1]] = NO_ROW
        self._scores[queries, slots] = scores
        self._rows[queries, slots] = rows
        self._counts = counts

    def _settle(self, crowded: npt.NDArray[np.int64]) -> None:
        """Decides queries with very many near-ties by their true scores."""
        rows = self._rows[crowded]
        queries, slots = np.nonzero(rows != NO_ROW)
        true = np.full(rows.shape, -np.inf)
        true[queries, slots] = self._pair_scores(crowded[queries], rows[queries, slots])
        order = np.lexsort((rows, -true), axis=1)[:, : self._k]
        kth = np.take_along_axis(true, order[:, -1:], axis=1)[:, 0]
        kept = np.zeros(rows.shape, bool)
        np.put_along_axis(kept, order, True, axis=1)
        every = np.ones(self._scores.shape, bool)
        every[crowded] = kept
        self._keep(every)
        # A later tie with the k-th best must still pass.
        floor = np.nextafter((kth - self._error).astype(np.float32), np.float32(-np.inf))
        self.thresholds[crowded] = np.maximum(self.thresholds[crowded], floor)
