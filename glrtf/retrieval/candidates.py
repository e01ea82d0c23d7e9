"""The k best rows per query out of approximate scores with a known error.

A search feeds tiles of approximate scores, each at most `error` away from the
true one. If k rows score at least t approximately, they score at least
t - error truly: that is the query's floor. Whoever reaches the floor truly
reaches floor - error approximately, and only who does passes, is collected in
small buffers, and scored exactly at the end.

A candidate is one integer: its score's bits, ordered so that the greater
score is the smaller number, and its row below them. Integers sort in an order
that settles ties by row, and many times as fast as scores with rows beside them.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.neighbors import NO_ROW, Neighbors, best, padded
from glrtf.retrieval.ordering import falling_bits, scores_of_bits

PairScores = Callable[[npt.NDArray[np.int64], npt.NDArray[np.int64]], npt.NDArray[np.float64]]
"""(queries, rows) of pairs -> their true scores."""

ROOM = 4
"""Buffers hold up to this many times k candidates, unless more tie nearly."""
_FIRST_ROOM = 2
_RAISE_AFTER = 0.2
"""Floors are raised once this many times k candidates a query have come."""
_FOLDED = 12
"""First floors are taken from the greater ones of pairs while those are this many times k."""
_ROW_BITS = 32
_ROWS = (1 << _ROW_BITS) - 1


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
        self._keys = np.full((num_queries, _FIRST_ROOM * k + 64), _NOTHING)
        self._counts = np.zeros(num_queries, np.int64)
        self._fresh = 0
        self.floors = np.full(num_queries, -np.inf, np.float32)
        self._mask: npt.NDArray[np.bool_] = np.empty(0, bool)

    def add(
        self,
        scores: npt.NDArray[np.float32],
        first_row: int,
        error: float,
        first_query: int = 0,
    ) -> None:
        """Looks through one tile.

        Args:
            scores: (n, tile) float32 approximate scores of n of the queries.
            first_row: The database row of the tile's first column.
            error: How far one of them may be from the true one.
            first_query: Which query the first row of scores belongs to.
        """
        self.observe(scores, error, first_query)
        asked, columns = self.passing(scores, error, first_query)
        if len(asked):
            values = scores.reshape(-1)[(asked - first_query) * scores.shape[1] + columns]
            self.insert(asked, columns + first_row, values)

    def passing(
        self, scores: npt.NDArray[np.float32], error: float, first_query: int = 0
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Which of a tile's scores may belong to the k best: queries, ascending, and columns."""
        queries, width = scores.shape
        # A power of two as row length: a position's query is then a shift.
        shift = max(width - 1, 7).bit_length()
        if self._mask.size < queries << shift:
            self._mask = np.zeros(queries << shift, bool)
        mask = self._mask[: queries << shift]
        table = mask.reshape(queries, 1 << shift)
        table[:, width:] = False
        least = self.thresholds(error)[first_query : first_query + queries, None]
        np.greater_equal(scores, least, out=table[:, :width])
        # Few pass: eight are looked at in one, and singly only where one of them passed.
        eights = mask.view(np.uint64)
        some = np.flatnonzero(eights != 0)
        passed = np.flatnonzero(eights[some].view(bool))
        passed = (some[passed >> 3] << 3) + (passed & 7)
        return (passed >> shift) + first_query, passed & ((1 << shift) - 1)

    def observe(self, scores: npt.NDArray[np.float32], error: float, first_query: int = 0) -> None:
        """Learns how far scores may be off, and from the first ones the first floors.

        Args:
            scores: (n, width) float32, of different rows.
            error: How far one of them may be from the true one.
            first_query: Which query the first row of scores belongs to.
        """
        self._worst_error = max(self._worst_error, error)
        if scores.shape[1] < self._k or self.floors[first_query] > -np.inf:
            return
        block = slice(first_query, first_query + len(scores))
        # The k-th best of several columns' maxima is hardly less than that of all.
        while scores.shape[1] % 2 == 0 and scores.shape[1] >= _FOLDED * self._k:
            half = scores.shape[1] // 2
            scores = np.maximum(scores[:, :half], scores[:, half:])
        place = scores.shape[1] - self._k
        self._raise(np.partition(scores, place, axis=1)[:, place], block)

    def thresholds(self, error: float) -> npt.NDArray[np.float32]:
        """(num_queries,) what a score with that error must reach to pass."""
        # Rounded down, so that rounding never shuts out a row.
        return _lowered(self.floors, error)

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
            scores: (n,) float32 approximate scores, as far off as told to `add` at most.
        """
        counts = np.bincount(queries, minlength=len(self._counts))
        if (self._counts + counts > self._keys.shape[1]).any():
            self._prune()
            self._widen(int((self._counts + counts).max()))
        # Where each query's next place is, less how many stand before its first.
        starts = np.arange(len(counts)) * self._keys.shape[1] + self._counts
        places = np.arange(len(queries)) + np.repeat(starts - (np.cumsum(counts) - counts), counts)
        self._keys.reshape(-1)[places] = _packed(scores, rows)
        self._counts += counts
        self._fresh += len(queries)
        if self._fresh > _RAISE_AFTER * self._k * len(counts):
            self._prune()

    def finish(self) -> Neighbors:
        """The k best of all tiles: true scores, descending, ties by ascending row."""
        self._prune()
        keys = self._keys[:, : int(self._counts.max(initial=0))]
        if self._pair_scores is None:
            keys.sort(axis=1)
        rows = np.where(keys == _NOTHING, NO_ROW, keys & _ROWS)
        if self._pair_scores is None:
            return padded(Neighbors(rows, _scores_of(keys).astype(np.float64)), self._k)
        queries, slots = np.nonzero(rows != NO_ROW)
        scores = np.full(rows.shape, -np.inf)
        scores[queries, slots] = self._pair_scores(queries, rows[queries, slots])
        return best(rows, scores, self._k)

    def _raise(self, kth: npt.NDArray[np.float32], block: slice = slice(None)) -> None:
        floors = self.floors[block]
        np.maximum(floors, _lowered(kth, self._worst_error), out=floors)

    def _widen(self, room: int) -> None:
        more = room - self._keys.shape[1]
        if more > 0:
            self._keys = np.pad(self._keys, ((0, 0), (0, more)), constant_values=_NOTHING)

    def _prune(self) -> None:
        """Raises the floors and drops what no longer passes them."""
        self._fresh = 0
        keys = self._keys[:, : int(self._counts.max(initial=0))]
        if keys.shape[1] < self._k:
            return
        if self._pair_scores is None and self._counts.min() >= self._k:
            keys.partition(self._k - 1, axis=1)
        else:
            keys.sort(axis=1)
        self._raise(_scores_of(keys[:, self._k - 1]))
        if self._pair_scores is None:
            keys[:, self._k :] = _NOTHING
            np.minimum(self._counts, self._k, out=self._counts)
            return
        last = _packed(self.thresholds(self._worst_error), np.int64(_ROWS))
        passes = keys <= last[:, None]
        np.copyto(keys, _NOTHING, where=~passes)
        np.minimum(self._counts, np.count_nonzero(passes, axis=1), out=self._counts)
        crowded = np.flatnonzero(self._counts > (ROOM - 1) * self._k + 64)
        if len(crowded):
            self._settle(crowded, self._pair_scores)

    def _settle(self, crowded: npt.NDArray[np.int64], pair_scores: PairScores) -> None:
        """Decides queries with very many near-ties by their true scores."""
        keys = self._keys[crowded]
        there = np.arange(keys.shape[1]) < self._counts[crowded, None]
        queries, slots = np.nonzero(there)
        rows = keys & _ROWS
        true = np.full(rows.shape, -np.inf)
        true[queries, slots] = pair_scores(crowded[queries], rows[queries, slots])
        order = np.lexsort((rows, -true), axis=1)[:, : self._k]
        kth = np.take_along_axis(true, order[:, -1:], axis=1)[:, 0]
        self._keys[crowded] = _NOTHING
        self._keys[crowded, : self._k] = np.take_along_axis(keys, order, axis=1)
        self._counts[crowded] = self._k
        floor = np.nextafter(kth.astype(np.float32), np.float32(-np.inf))
        self.floors[crowded] = np.maximum(self.floors[crowded], floor)


def _packed(
    scores: npt.NDArray[np.float32], rows: npt.NDArray[np.int64] | np.int64
) -> npt.NDArray[np.int64]:
    """Scores and rows as integers in the order of descending scores, then ascending rows."""
    return (falling_bits(scores).astype(np.int64) << _ROW_BITS) | rows


def _scores_of(keys: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """The scores that `_packed` has packed."""
    return scores_of_bits((keys >> _ROW_BITS).astype(np.int32))


_NOTHING = int(_packed(np.array([-np.inf], np.float32), np.int64(_ROWS))[0])


def _lowered(scores: npt.NDArray[np.float32], error: float) -> npt.NDArray[np.float32]:
    """Scores less an error, rounded down; as they are where the error is 0."""
    if error == 0:
        return scores
    return np.nextafter(scores - np.float32(error), np.float32(-np.inf))
