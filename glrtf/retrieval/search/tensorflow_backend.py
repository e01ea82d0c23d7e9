"""Exact search on TPU, GPU or CPU: bfloat16 products and top-k under XLA, then float64.

The device receives tiles of fixed shape and returns, for each query, the best rows of each tile by
bfloat16 product. The error of these products is bounded by what rounding changed in the rows. If a
tile may have more candidates for a query than the device returned, the query is multiplied with
the tile again in float32.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.part_files import NORM_TOLERANCE
from glrtf.embeddings.rows import RowSource
from glrtf.retrieval.search.exact import score_error
from glrtf.retrieval.search.neighbors import Neighbors, score_pairs
from glrtf.retrieval.search.streaming import collect_neighbors
from glrtf.retrieval.search.top_k import Candidates
from tfrecords_tools.errors import UserError

_TILE_ROWS = 16384
_QUERIES_AT_ONCE = 2048
_SPARE = 64
"""How many rows more than k the device returns from each tile."""

_Product = Callable[[npt.NDArray[np.float32], npt.NDArray[np.float32], int], Any]


def search_blocks(
    queries: RowSource, database: RowSource, k: int, per_part: int = 0
) -> Iterator[Neighbors]:
    """Like `exact.search_blocks`, with the same result.

    Args:
        queries: The queries.
        database: The rows to search, streamed part by part.
        k: Number of neighbours wanted.
        per_part: If positive, the number wanted from each part instead.

    Raises:
        UserError: If TensorFlow is not installed, or a row is invalid.
    """
    wanted = per_part or k
    product = _product(min(wanted + _SPARE, _TILE_ROWS))
    first = 0
    for part, length in enumerate(queries.part_lengths):
        for start in range(0, length, _QUERIES_AT_ONCE):
            vectors = queries.read(part, start, min(start + _QUERIES_AT_ONCE, length))
            block = _QueryBlock(vectors, queries, database, first + start, wanted, product)
            yield collect_neighbors(block, database, per_part, _TILE_ROWS)
        first += length


class _QueryBlock:
    """A block of queries and the candidates found for them."""

    def __init__(
        self,
        vectors: npt.NDArray[np.float32],
        queries: RowSource,
        database: RowSource,
        first_query: int,
        k: int,
        product: _Product,
    ) -> None:
        self._vectors = vectors
        self._queries = queries
        self._database = database
        self._first_query = first_query
        self._k = k
        self._product = product
        self._float32_error = score_error(queries, database)
        self.begin()

    def begin(self) -> None:
        """Discards all candidates."""
        self._candidates = Candidates(len(self._vectors), self._k, self._true_scores)

    def add(self, tile: npt.NDArray[np.float32], first_row: int) -> None:
        """Adds the candidates of a tile of database rows."""
        scores, columns, lost = self._product(self._vectors, tile, len(tile))
        # ⟨a,b⟩ - ⟨â,b̂⟩ = ⟨a-â,b⟩ + ⟨â,b-b̂⟩, bounded by Cauchy–Schwarz; plus the sum's rounding.
        longest = 1 + NORM_TOLERANCE
        error = float(lost) * longest * 1.01 + self._float32_error
        best = self._candidates
        best.observe(scores, error)
        threshold = best.lowered_thresholds(error)
        # If the last row returned reaches the threshold, rows that were not returned may, too.
        cut_off = (scores[:, -1] >= threshold) & (scores.shape[1] < len(tile))
        passed = (scores >= threshold[:, None]) & (columns < len(tile)) & ~cut_off[:, None]
        query_rows, places = np.nonzero(passed)
        rows = columns[query_rows, places] + first_row
        best.insert(query_rows, rows.astype(np.int64), scores[query_rows, places])
        for query in np.flatnonzero(cut_off):
            products = tile @ self._vectors[query]
            near = np.flatnonzero(products >= best.lowered_thresholds(self._float32_error)[query])
            best.insert(np.full(len(near), query), near + first_row, products[near])

    def finish(self) -> Neighbors:
        """The neighbours among all rows added since `begin`."""
        return self._candidates.finish()

    def _true_scores(
        self, query_rows: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        return score_pairs(self._queries, self._database, self._first_query + query_rows, rows)


def _product(most: int) -> _Product:
    """Compiles the product: from float32 rows to the best of a tile by bfloat16 product."""
    try:
        import tensorflow as tf
    except ImportError:
        raise UserError(
            "--search.backend tensorflow: expected TensorFlow, found none; install the extra "
            "cpu, gpu or tpu, or choose --search.backend exact"
        ) from None

    @tf.function(jit_compile=True)
    def best_of_tile(queries: Any, tile: Any, length: Any) -> Any:
        rounded = tf.cast(queries, tf.bfloat16), tf.cast(tile, tf.bfloat16)
        scores = tf.raw_ops.BatchMatMulV3(x=rounded[0], y=rounded[1], Tout=tf.float32, adj_y=True)
        scores = tf.where(tf.range(tf.shape(tile)[0]) < length, scores, -float("inf"))
        best, columns = tf.math.top_k(scores, min(most, tile.shape[0]))
        lost = [
            tf.reduce_max(tf.norm(wide - tf.cast(short, tf.float32), axis=1))
            for wide, short in zip((queries, tile), rounded, strict=True)
        ]
        return best, columns, lost[0] + lost[1] + lost[0] * lost[1]

    def product(
        queries: npt.NDArray[np.float32], tile: npt.NDArray[np.float32], length: int
    ) -> Any:
        # Few shapes occur, so that few programs are compiled.
        padded = np.pad(queries, ((0, _rounded_up(len(queries)) - len(queries)), (0, 0)))
        wide = np.pad(tile, ((0, _rounded_up(len(tile)) - len(tile)), (0, 0)))
        best, columns, lost = best_of_tile(padded, wide, tf.constant(length))
        return best.numpy()[: len(queries)], columns.numpy()[: len(queries)], lost.numpy()

    return product


def _rounded_up(count: int) -> int:
    """The next power of two, at least 256."""
    return max(256, 1 << max(count - 1, 0).bit_length())
