"""The k best rows per query out of approximate scores with a known error.

A search feeds tiles of approximate scores, each at most `error` away from the
true one. If k rows score at least t approximately, they score at least
t - error truly: that is the query's floor. Whoever reaches the floor truly
reaches floor - error approximately, and only who does passes, is collected in
small buffers, and scored exactly at the end.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.neighbors import NO_ROW, Neighbors, best

PairScores = Callable[[npt.NDArray[np.int64], npt.NDArray[np.int64]], npt.NDArray[np.float64]]
"""(queries, rows) of pairs -> their true scores."""

_ROOM = 4
"""Buffers hold this many times k candidates."""
_RAISE_AFTER = 0.5
"""Floors are raised once this many times k candidates a query have come."""


class Candidates:
    """Collects what may belong to the k best of each query of a block.

    Args:
        num_queries: How many queries the block has.
        k: How many neighbours are wanted, at least 1.
        pair_scores: Gives the true scores; None takes the approximate ones
            for true, and no error may be named then.

    Attributes:
        floors: (num_queries,) float32, at most the k-th best true score so far.
    """

    def __init__(self, num_queries: int, k: int, pair_scores: PairScores | None) -> None:
        self._k = k
        self._worst_error = 0.0
        self._pair_scores = pair_scores
        room = _ROOM * k + 64
        self._scores = np.full((num_queries, room), -np.inf, np.float32)
        self._rows = np.empty((num_queries, room), np.int32)
        self._counts = np.zeros(num_queries, np.int64)
        self._fresh = 0
        self._seen_any = False
        self.floors = np.full(num_queries, -np.inf, np.float32)
        self._mask: npt.NDArray[np.bool_] = np.empty(0, bool)

    def add(self, scores: npt.NDArray[np.float32], first_row: int, error: float) -> None:
        """Looks through one tile.

        Args:
            scores: (num_queries, tile) float32 approximate scores.
            first_row: The database row of the tile's first column.
            error: How far one of them may be from the true one.
        """
        self.observe(scores, error)
        asked, columns = self.passing(scores, error)
        if len(asked):
            self.insert(asked, (columns + first_row).astype(np.int32), scores[asked, columns])

    def passing(
        self, scores: npt.NDArray[np.float32], error: float
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Which of a tile's scores may belong to the k best: queries, ascending, and columns."""
        queries, width = scores.shape
        # A power of two as row length: a position's query is then a shift.
        shift = max(width - 1, 1).bit_length()
        if self._mask.size < queries << shift:
            self._mask = np.zeros(queries << shift, bool)
        mask = self._mask[: queries << shift].reshape(queries, 1 << shift)
        mask[:, width:] = False
        np.greater_equal(scores, self.thresholds(error)[:, None], out=mask[:, :width])
        passed = np.flatnonzero(mask)
        return passed >> shift, passed & ((1 << shift) - 1)

    def observe(self, scores: npt.NDArray[np.float32], error: float) -> None:
        """Learns how far scores may be off, and from the first ones the first floors.

        Args:
            scores: (num_queries, n) float32, of different rows.
            error: How far one of them may be from the true one.
        """
        self._worst_error = max(self._worst_error, error)
        width = scores.shape[1]
        if not self._seen_any and width >= self._k:
            self._raise(np.partition(scores, width - self._k, axis=1)[:, width - self._k])
        self._seen_any = True

    def thresholds(self, error: float) -> npt.NDArray[np.float32]:
        """(num_queries,) what a score with that error must reach to pass."""
        # Rounded down, so that rounding never shuts out a row.
        return _lowered(self.floors, error)

    def insert(
        self,
        queries: npt.NDArray[np.int64],
        rows: npt.NDArray[np.int32],
        scores: npt.NDArray[np.float32],
    ) -> None:
        """Takes in candidates that passed.

        Args:
            queries: (n,) ascending.
            rows: (n,) database rows.
            scores: (n,) float32 approximate scores, as far off as told to `add` at most.
        """
        counts = np.bincount(queries, minlength=len(self._counts))
        if (self._counts + counts > self._scores.shape[1]).any():
            self._prune()
            self._widen(int((self._counts + counts).max()))
        room = self._scores.shape[1]
        # Where each query's next place is, less how many stand before its first.
        offsets = np.arange(len(counts)) * room + self._counts - (np.cumsum(counts) - counts)
        places = np.arange(len(queries)) + np.repeat(offsets, counts)
        self._scores.reshape(-1)[places] = scores
        self._rows.reshape(-1)[places] = rows
        self._counts += counts
        self._fresh += len(queries)
        if self._fresh > _RAISE_AFTER * self._k * len(counts):
            self._raise_by_buffers()

    def finish(self) -> Neighbors:
        """The k best of all tiles: true scores, descending, ties by ascending row."""
        self._prune()
        width = int(self._counts.max(initial=0))
        there = np.arange(width) < self._counts[:, None]
        rows = np.where(there, self._rows[:, :width], NO_ROW).astype(np.int64)
        if self._pair_scores is None:
            return best(rows, self._scores[:, :width].astype(np.float64), self._k)
        queries, slots = np.nonzero(there)
        scores = np.full(rows.shape, -np.inf)
        scores[queries, slots] = self._pair_scores(queries, rows[queries, slots])
        return best(rows, scores, self._k)

    def _raise(self, kth: npt.NDArray[np.float32]) -> None:
        np.maximum(self.floors, _lowered(kth, self._worst_error), out=self.floors)

    def _raise_by_buffers(self) -> None:
        self._fresh = 0
        width = int(self._counts.max(initial=0))
        if width >= self._k:
            scores = self._scores[:, :width]
            self._raise(np.partition(scores, width - self._k, axis=1)[:, width - self._k])

    def _widen(self, room: int) -> None:
        more = room - self._scores.shape[1]
        if more > 0:
            self._scores = np.pad(self._scores, ((0, 0), (0, more)), constant_values=-np.inf)
            self._rows = np.pad(self._rows, ((0, 0), (0, more)))

    def _prune(self) -> None:
        """Raises the floors and drops what no longer passes them."""
        self._raise_by_buffers()
        self._keep(self._scores >= self.thresholds(self._worst_error)[:, None])
        if self._pair_scores is None:
            return
        crowded = np.flatnonzero(self._counts > (_ROOM - 1) * self._k + 64)
        if len(crowded):
            self._settle(crowded)

    def _keep(self, kept: npt.NDArray[np.bool_]) -> None:
        """Drops all other candidates and closes the gaps, order kept."""
        room = self._scores.shape[1]
        kept &= np.arange(room) < self._counts[:, None]
        places = np.flatnonzero(kept)
        scores, rows = self._scores.reshape(-1)[places], self._rows.reshape(-1)[places]
        counts = np.bincount(places // room, minlength=len(self._counts))
        offsets = np.arange(len(counts)) * room - (np.cumsum(counts) - counts)
        places = np.arange(len(places)) + np.repeat(offsets, counts)
        self._scores.fill(-np.inf)
        self._scores.reshape(-1)[places] = scores
        self._rows.reshape(-1)[places] = rows
        self._counts = counts

    def _settle(self, crowded: npt.NDArray[np.int64]) -> None:
        """Decides queries with very many near-ties by their true scores."""
        assert self._pair_scores is not None
        there = np.arange(self._scores.shape[1]) < self._counts[crowded, None]
        queries, slots = np.nonzero(there)
        rows = self._rows[crowded].astype(np.int64)
        true = np.full(rows.shape, -np.inf)
        true[queries, slots] = self._pair_scores(crowded[queries], rows[queries, slots])
        order = np.lexsort((rows, -true), axis=1)[:, : self._k]
        kth = np.take_along_axis(true, order[:, -1:], axis=1)[:, 0]
        kept = np.zeros(rows.shape, bool)
        np.put_along_axis(kept, order, True, axis=1)
        every = np.ones(self._scores.shape, bool)
        every[crowded] = kept
        self._keep(every)
        floor = np.nextafter(kth.astype(np.float32), np.float32(-np.inf))
        self.floors[crowded] = np.maximum(self.floors[crowded], floor)


def _lowered(scores: npt.NDArray[np.float32], error: float) -> npt.NDArray[np.float32]:
    """Scores less an error, rounded down; as they are where the error is 0."""
    if error == 0:
        return scores
    return np.nextafter(scores - np.float32(error), np.float32(-np.inf))
