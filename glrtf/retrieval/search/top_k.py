"""The k best rows per query, from approximate scores with a known error bound.

A search passes tiles of approximate scores. Each score is within `error` of the true one. If k
rows have an approximate score of at least t, their true scores are at least t - error: that is
the query's threshold. A row whose true score reaches the threshold has an approximate score of at
least threshold - error. Only such rows become candidates. They are kept in small buffers and
scored exactly at the end: first the k best by approximate score, whose true scores give the final
threshold, then the others that can still reach it.
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.search.candidate_table import CandidateTable
from glrtf.retrieval.search.neighbors import NO_ROW, Neighbors, best, padded
from glrtf.retrieval.search.offsets import Offsets
from glrtf.retrieval.search.packed_candidates import (
    NOTHING,
    ROWS,
    front,
    halves_reaching,
    least_of_halves,
    lowered,
    packed,
    scores_of,
    toward_nothing,
)
from glrtf.retrieval.search.scan import Scan

PairScores = Callable[[npt.NDArray[np.int64], npt.NDArray[np.int64]], npt.NDArray[np.float64]]
"""From (queries, rows) of pairs to their true scores."""

ROOM = 4
"""Buffers hold up to this many times k candidates, unless more have nearly equal scores."""
_FIRST_ROOM = 2
_RAISE_AFTER = 0.4
"""Thresholds are raised once queries have this many times k new candidates on average."""
_RAISE_AFTER_HALVES = 0.5
"""With bfloat16 scores, thresholds are raised only once the candidates have grown by this share."""
_FOLDED = 12
"""The first scores are reduced to maxima of pairs while there are at least this many times k."""
_MOST_HALVES = 10
"""With bfloat16 scores, how many times k candidates may wait for their true scores."""

_SHARES = (0.3, 1.0)
"""Shares of the remaining candidates that are scored in turn; each round raises the thresholds."""


def kth_at_least(scores: npt.NDArray[np.float32], k: int) -> npt.NDArray[np.float32]:
    """(n,) lower bounds of the k-th best of each row of (n, width) scores; -inf if width < k."""
    if scores.shape[1] < k:
        return np.full(len(scores), -np.inf, np.float32)
    # The k-th best of the maxima of pairs is only slightly below the k-th best of all.
    while scores.shape[1] % 2 == 0 and scores.shape[1] >= _FOLDED * k:
        half = scores.shape[1] // 2
        scores = np.maximum(scores[:, :half], scores[:, half:])
    place = scores.shape[1] - k
    return np.partition(scores, place, axis=1)[:, place]


class Candidates:
    """Collects the rows that may be among the k best of each query of a block.

    Args:
        num_queries: How many queries the block has.
        k: Number of neighbours wanted, at least 1.
        pair_scores: Computes true scores. None takes the approximate scores as true; errors must
            then be 0.

    Attributes:
        thresholds: (num_queries,) float32, at most the k-th best true score so far.
    """

    def __init__(self, num_queries: int, k: int, pair_scores: PairScores | None) -> None:
        self._k = k
        self._worst_error = 0.0
        self._offsets = Offsets()
        self._pair_scores = pair_scores
        self._table = CandidateTable(num_queries, _FIRST_ROOM * k + 64)
        self._fresh = 0
        self.thresholds = np.full(num_queries, -np.inf, np.float32)
        self._scan = Scan()

    def add(
        self,
        scores: npt.NDArray[np.float32],
        first_row: int,
        error: float,
        first_query: int = 0,
    ) -> None:
        """Adds one tile.

        Args:
            scores: (n, tile) float32 approximate scores of n of the queries.
            first_row: The database row of the tile's first column.
            error: Largest distance of a score from the true one.
            first_query: The query of the first row of scores.
        """
        self.observe(scores, error, first_query)
        queries, columns = self.passing(scores, error, first_query)
        if len(queries):
            values = scores.reshape(-1)[(queries - first_query) * scores.shape[1] + columns]
            self.insert(queries, columns + first_row, values)

    def subtract(self, offsets: npt.NDArray[np.float32], first_row: int) -> None:
        """Sets the offsets that later scores are reduced by before they are rounded to bfloat16.

        Args:
            offsets: (num_queries,) float32, none below its previous value.
            first_row: The first row that they apply to, after all rows so far.
        """
        self._offsets.append(first_row, offsets)

    def add_halves(
        self, halves: npt.NDArray[np.int16], first_row: int, error: float, first_query: int
    ) -> bool:
        """Adds one tile of scores minus their offsets, rounded to bfloat16.

        Positive bfloat16 numbers are ordered like their bits as integers, and the bits of negative
        numbers are below them. So the comparison with thresholds above 0 is one of integers.

        Args:
            halves: (n, tile) int16, the bits of the scores of n of the queries minus the current
                offsets, rounded to nearest.
            first_row: The database row of the tile's first column.
            error: Largest distance of a score from the true one before rounding.
            first_query: The query of the first row of scores.

        Returns:
            False, without any effect, if a query's threshold is not above its offset.
        """
        offsets = self._offsets.latest
        least = (self.lowered_thresholds(error) - offsets)[first_query : first_query + len(halves)]
        if not (least > 0).all():
            return False
        self._worst_error = max(self._worst_error, error)
        which, columns = self._scan.reaching(halves, halves_reaching(toward_nothing(least)))
        if len(which):
            values = halves.reshape(-1)[which * halves.shape[1] + columns]
            queries = which + first_query
            scores = toward_nothing(least_of_halves(values) + offsets[queries])
            self.insert(queries, columns + first_row, scores)
        return True

    def passing(
        self, scores: npt.NDArray[np.float32], error: float, first_query: int = 0
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The scores of a tile that may be among the k best: queries, ascending, and columns."""
        least = self.lowered_thresholds(error)[first_query : first_query + len(scores)]
        which, columns = self._scan.reaching(scores, least)
        return which + first_query, columns

    def observe(self, scores: npt.NDArray[np.float32], error: float, first_query: int = 0) -> None:
        """Records the error of scores; the first scores also set the first thresholds.

        Args:
            scores: (n, width) float32, each column another row.
            error: Largest distance of a score from the true one.
            first_query: The query of the first row of scores.
        """
        self._worst_error = max(self._worst_error, error)
        if scores.shape[1] < self._k or self.thresholds[first_query] > -np.inf:
            return
        block = slice(first_query, first_query + len(scores))
        self._raise(kth_at_least(scores, self._k), block)

    def lowered_thresholds(self, error: float) -> npt.NDArray[np.float32]:
        """(num_queries,) float32, the thresholds for scores with that error."""
        # Rounded down, so that rounding never excludes a row.
        return lowered(self.thresholds, error)

    def insert(
        self,
        queries: npt.NDArray[np.int64],
        rows: npt.NDArray[np.int64],
        scores: npt.NDArray[np.float32],
    ) -> None:
        """Inserts candidates that reach their thresholds.

        Args:
            queries: (n,) ascending.
            rows: (n,) database rows.
            scores: (n,) float32 approximate scores, within the error that `observe` recorded.
        """
        counts = np.bincount(queries, minlength=len(self.thresholds))
        if not self._table.has_room(counts):
            self._prune()
            self._table.make_room(counts)
        waiting = int(self._table.counts.sum()) - self._fresh
        self._table.put(packed(scores, rows), counts)
        self._fresh += len(queries)
        due = _RAISE_AFTER * self._k * len(counts)
        if self._offsets:
            due = max(due, _RAISE_AFTER_HALVES * waiting)
        if self._fresh > due:
            self._prune()

    def finish(self) -> Neighbors:
        """The k best of all tiles by true score, descending; ties by ascending row."""
        self._prune()
        keys = self._table.keys
        if self._pair_scores is None:
            keys.sort(axis=1)
            rows = np.where(keys == NOTHING, NO_ROW, keys & ROWS)
            return padded(Neighbors(rows, scores_of(keys).astype(np.float64)), self._k)
        # After pruning, the first k keys are the best by approximate score.
        kept, rest = keys[:, : self._k], keys[:, self._k :]
        scores = self._true_scores(kept, self._pair_scores)
        for share in _SHARES:
            self._raise_truly(scores)
            rest = self._reaching(rest)
            more, rest = np.split(rest, [math.ceil(share * rest.shape[1])], axis=1)
            scores = np.concatenate([scores, self._true_scores(more, self._pair_scores)], axis=1)
            kept = np.concatenate([kept, more], axis=1)
        return best(np.where(kept == NOTHING, NO_ROW, kept & ROWS), scores, self._k)

    def _reaching(self, keys: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The candidates that may still be among the k best, best first."""
        keys = front(keys, self._last_keys())[0]
        if self._offsets:
            reaching = (
                self._offsets.greatest(keys) >= self.lowered_thresholds(self._worst_error)[:, None]
            )
            keys = front(np.where(reaching, keys, NOTHING), np.int64(NOTHING - 1))[0]
        keys.sort(axis=1)
        return keys

    def _true_scores(
        self, keys: npt.NDArray[np.int64], pair_scores: PairScores
    ) -> npt.NDArray[np.float64]:
        """The true scores of the candidates of all queries; -inf for empty slots."""
        scores = np.full(keys.shape, -np.inf)
        queries, slots = np.nonzero(keys != NOTHING)
        scores[queries, slots] = pair_scores(queries, keys[queries, slots] & ROWS)
        return scores

    def _raise_truly(self, scores: npt.NDArray[np.float64]) -> None:
        """Raises the thresholds to the k-th best true scores, where there are k."""
        place = scores.shape[1] - self._k
        if place >= 0:
            least = np.partition(scores, place, axis=1)[:, place].astype(np.float32)
            np.maximum(self.thresholds, toward_nothing(least), out=self.thresholds)

    def _raise(self, kth: npt.NDArray[np.float32], block: slice = slice(None)) -> None:
        thresholds = self.thresholds[block]
        np.maximum(thresholds, lowered(kth, self._worst_error), out=thresholds)

    def _last_keys(self) -> npt.NDArray[np.int64]:
        """(num_queries, 1) int64, the greatest keys that may still be among the k best."""
        error = self._offsets.coarseness(self.thresholds) + np.float32(self._worst_error)
        least = lowered(self.thresholds, error)
        return np.minimum(packed(least, np.int64(ROWS)), NOTHING - 1)[:, None]

    def _prune(self) -> None:
        """Raises the thresholds, drops candidates below them and moves the k best to the front."""
        self._fresh = 0
        keys, counts = self._table.keys, self._table.counts
        if keys.shape[1] < self._k:
            return
        keys.partition(self._k - 1, axis=1)
        self._raise(scores_of(keys[:, self._k - 1]))
        if self._pair_scores is None and counts.min() >= self._k:
            self._table.keep(self._k, None)
            return
        self._table.keep(self._k, self._last_keys())
        many = _MOST_HALVES if self._offsets else ROOM - 1
        crowded = np.flatnonzero(counts > many * self._k + 64)
        if len(crowded) and self._pair_scores is not None:
            self._settle(crowded, self._pair_scores)

    def _settle(self, crowded: npt.NDArray[np.int64], pair_scores: PairScores) -> None:
        """Reduces queries with very many nearly equal scores to the k best by true score."""
        keys = self._table.keys[crowded]
        true = self._true_scores(keys, lambda queries, rows: pair_scores(crowded[queries], rows))
        order = np.lexsort((keys & ROWS, -true), axis=1)[:, : self._k]
        kth = np.take_along_axis(true, order[:, -1:], axis=1)[:, 0]
        self._table.replace(crowded, np.take_along_axis(keys, order, axis=1))
        threshold = np.nextafter(kth.astype(np.float32), np.float32(-np.inf))
        self.thresholds[crowded] = np.maximum(self.thresholds[crowded], threshold)
