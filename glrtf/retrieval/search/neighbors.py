"""The result of every search, and the arithmetic that defines it.

The score of two rows is their dot product, summed in float64 over the rows as
stored, each pair separately and in a fixed order. So a score depends neither on the tile, the part,
the thread nor the back end that found the pair, equal rows get equal scores to the last bit, and
ties can be distinguished from near-ties.
"""

import dataclasses
import mmap
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.rows import RowSource, gather_rows
from glrtf.retrieval.processors import for_all, usable_processors

NO_ROW = -1
"""The entry of `Neighbors.indices` if there are fewer than k rows."""

_NUMBERS_AT_ONCE = 1 << 20
_LONGEST_SUM = 8192
_LONG_RUN = 16
"""From this many pairs of one query on, repeating its row costs more than a loop."""
_CACHED_RUN = 64
"""From this many on, their rows are gathered on their own, and multiplied while in the cache."""
_GATHERED_ROWS = 128
"""So many of them at once: with fewer, threads wait for Python; more leave the cache."""


@dataclasses.dataclass(frozen=True)
class Neighbors:
    """The nearest database rows of each query.

    Attributes:
        indices: (num_queries, k) int64 rows of the database, counted over all
            its parts; -1 beyond its end.
        scores: (num_queries, k) float64 cosine similarities, descending, ties
            by ascending row; -inf beyond the database's end.
    """

    indices: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]

    @property
    def k(self) -> int:
        """How many neighbours each query has."""
        return self.indices.shape[1]

    def head(self, k: int) -> "Neighbors":
        """The k best of them."""
        return Neighbors(self.indices[:, :k], self.scores[:, :k])


def merge(several: Sequence[Neighbors], k: int) -> Neighbors:
    """The k best of the neighbours from several searches.

    Args:
        several: Neighbours of the same queries in disjoint sets of rows.
        k: How many to keep; padded if all together have fewer.

    Returns:
        (num_queries, k) neighbours, scores descending, ties by ascending row.
    """
    indices = np.concatenate([one.indices for one in several], axis=1)
    scores = np.concatenate([one.scores for one in several], axis=1)
    return best(indices, scores, k)


def best(indices: npt.NDArray[np.int64], scores: npt.NDArray[np.float64], k: int) -> Neighbors:
    """Orders candidates by score descending, then row ascending, and keeps k.

    Args:
        indices: (num_queries, candidates) int64 rows, -1 for none.
        scores: (num_queries, candidates) float64, -inf for none.
        k: How many to keep; padded if there are fewer.
    """
    order = np.argsort(-scores, axis=1)[:, : k + 1]
    ordered = np.take_along_axis(scores, order, axis=1)
    # The quick sort leaves ties in any order: queries with ties are sorted again, by row.
    equal = (ordered[:, 1:] == ordered[:, :-1]) & np.isfinite(ordered[:, 1:])
    tied = np.flatnonzero(equal.any(axis=1))
    order[tied] = np.lexsort((indices[tied], -scores[tied]), axis=1)[:, : k + 1]
    order = order[:, :k]
    indices = np.take_along_axis(indices, order, axis=1)
    return padded(Neighbors(indices, np.take_along_axis(scores, order, axis=1)), k)


def padded(neighbors: Neighbors, k: int) -> Neighbors:
    """The first k columns, padded at the end if there are fewer."""
    first = neighbors.head(k)
    short = ((0, 0), (0, k - first.k))
    return Neighbors(
        np.pad(first.indices, short, constant_values=NO_ROW),
        np.pad(first.scores, short, constant_values=-np.inf),
    )


def release(neighbors: Neighbors) -> None:
    """Releases the memory of mapped neighbours; reading them again loads it."""
    for array in (neighbors.indices, neighbors.scores):
        mapped = getattr(array, "base", None)
        if isinstance(mapped, mmap.mmap) and hasattr(mapped, "madvise"):
            mapped.madvise(mmap.MADV_DONTNEED)


def score_pairs(
    queries: RowSource,
    database: RowSource,
    query_rows: npt.NDArray[np.int64],
    database_rows: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """The defining dot products of pairs of rows.

    Each is a product of two vectors, summed in the same order whatever the other
    pairs are; in a product of matrices it would not be.

    Args:
        queries: The queries.
        database: The database.
        query_rows: (pairs,) rows of `queries`, best in runs of equal ones.
        database_rows: (pairs,) rows of `database`.

    Returns:
        (pairs,) float64.
    """
    scores = np.empty(len(query_rows))
    step = max(1, _NUMBERS_AT_ONCE // max(database.dimension, 1))
    share = max(step, -(-len(query_rows) // (4 * usable_processors())))

    def score(first: int) -> None:
        for start in range(first, min(first + share, len(query_rows)), step):
            pairs = slice(start, min(start + step, first + share))
            scores[pairs] = _score_some(queries, database, query_rows[pairs], database_rows[pairs])

    for_all(score, range(0, len(query_rows), share))
    return scores


def _score_some(
    queries: RowSource,
    database: RowSource,
    query_rows: npt.NDArray[np.int64],
    database_rows: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    starts = np.flatnonzero(np.diff(query_rows, prepend=-1))
    left = gather_rows(queries, query_rows[starts])
    counts = np.diff(starts, append=len(query_rows))
    scores = np.empty(len(query_rows))
    if len(starts) * _CACHED_RUN <= len(query_rows):
        for query, begin, end in zip(left, starts, starts + counts, strict=True):
            for first in range(begin, end, _GATHERED_ROWS):
                pairs = slice(first, min(first + _GATHERED_ROWS, end))
                scores[pairs] = dots(query, gather_rows(database, database_rows[pairs]))
        return scores
    right = gather_rows(database, database_rows)
    if len(starts) * _LONG_RUN > len(query_rows):
        return dots(np.repeat(left, counts, axis=0), right)
    for query, start, count in zip(left, starts, counts, strict=True):
        scores[start : start + count] = dots(query, right[start : start + count])
    return scores


def dots(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Dot products of rows, each pair separately and in a fixed order.

    Args:
        left: (n, dimension) rows, or one row (dimension,) for all of the right ones.
        right: (n, dimension).

    Returns:
        (n,) float64.
    """
    scores = np.zeros(len(right))
    # BLAS splits longer products over threads, and then the order depends on their number.
    for column in range(0, right.shape[1], _LONGEST_SUM):
        chunk = slice(column, column + _LONGEST_SUM)
        scores += _vecdot(left[..., chunk], right[:, chunk])
    return scores


def _vecdot(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> npt.NDArray:
    if hasattr(np, "vecdot"):
        return np.vecdot(left, right)
    # NumPy 1: the same product of BLAS, pair by pair.
    return np.array(
        [np.dot(*pair) for pair in zip(np.broadcast_to(left, right.shape), right, strict=True)]
    )


def stacked(blocks: Sequence[Neighbors]) -> Neighbors:
    """The neighbours of several blocks of queries as one."""
    return Neighbors(
        np.concatenate([block.indices for block in blocks]),
        np.concatenate([block.scores for block in blocks]),
    )
