"""A block of queries of an exact search, and the candidates found for them tile by tile."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.processors import usable_processors
from glrtf.retrieval.search.bfloat16 import Bfloat16Products
from glrtf.retrieval.search.neighbors import Neighbors, stacked
from glrtf.retrieval.search.prefilter import Prefilter
from glrtf.retrieval.search.top_k import Candidates, PairScores

QUERIES_A_PRODUCT = 2048
_SCORES_A_PRODUCT = 1 << 22
"""16 MB of float32. In smaller products, BLAS spends a noticeable share on packing the factors."""
_PROCESSORS_A_PRODUCT = 4
"""With more processors than this, products grow; otherwise threads mostly wait for each other."""
_OPENING_ROWS = 4096
"""The first rows are multiplied at once; their scores give the first thresholds."""
_BOUND_AFTER = 200
"""After this many times k rows, thresholds hardly rise any more."""
_BELOW_THRESHOLDS = 2.0**-6
"""How far offsets lie below thresholds: above all errors, but small, so that rounding is fine."""
_LEAST_ROWS = 256
"""Products with fewer rows are inefficient."""


class QueryBlock:
    """A block of queries and the candidates found for them.

    Args:
        vectors: (n, dimension) float32 queries.
        k: Number of neighbours wanted.
        error: Largest distance of a float32 product from the true score.
        pair_scores: Computes true scores; None takes the products as true.
        threads: Scan the products.
        prefilter: Cheaper products that run first, if any; it needs `pair_scores`.
    """

    def __init__(
        self,
        vectors: npt.NDArray[np.float32],
        k: int,
        error: float,
        pair_scores: PairScores | None,
        threads: ThreadPoolExecutor,
        prefilter: Prefilter,
    ) -> None:
        self._vectors = vectors
        self.k = k
        self._error = error
        self._pair_scores = pair_scores
        self._threads = threads
        self._prefilter = prefilter
        self._products = np.empty(0, np.float32)
        # BLAS multiplies on all processors; then each of them scans a share of the product.
        processors = usable_processors()
        self._share = math.ceil(min(QUERIES_A_PRODUCT, len(vectors)) / processors) or 1
        self._at_once = self._share * processors
        scores = _SCORES_A_PRODUCT * math.ceil(processors / _PROCESSORS_A_PRODUCT)
        self._columns = rows_at_once(scores // self._at_once)
        self.begin()

    def begin(self) -> None:
        """Discards all candidates."""
        self._rows_seen = self._move_at = 0
        count = len(self._vectors)
        self._candidates = [
            Candidates(min(self._share, count - start), self.k, self._shifted_scores(start))
            for start in range(0, count, self._share)
        ]

    def add(self, tile: npt.NDArray[np.float32], first_row: int) -> None:
        """Multiplies all queries with a tile of database rows and keeps the candidates."""
        if self._rows_seen == 0:
            self._add_chunk(tile[:_OPENING_ROWS], first_row, _OPENING_ROWS)
            tile, first_row = tile[_OPENING_ROWS:], first_row + _OPENING_ROWS
        if len(tile):
            self._add_chunk(tile, first_row, self._columns)

    def _add_chunk(self, tile: npt.NDArray[np.float32], first_row: int, columns: int) -> None:
        prepared = self._prepared(tile, first_row)
        self._rows_seen += len(tile)
        for column in range(0, len(tile), columns):
            chunk = slice(column, column + columns)
            for start in range(0, len(self._vectors), self._at_once):
                block = range(start, min(start + self._at_once, len(self._vectors)))
                open_ = self._pieces(block)
                if prepared is not None:
                    open_ = self._add_cheaply(block, tile, prepared, chunk, first_row)
                if open_:
                    products = self._multiplied(self._vectors[_slice(block)], tile[chunk])
                    self._scan(self._add_scores, block, open_, products, first_row + column)

    def _prepared(self, tile: npt.NDArray[np.float32], first_row: int) -> Any:
        """A tile prepared for the prefilter; None if full products are needed."""
        if self._prefilter is None or not self._rows_seen:
            return None
        # Thresholds rise more and more slowly, so offsets move each time the rows have doubled.
        if self._rows_seen >= self._move_at:
            self._move_at = 2 * self._rows_seen
            self._move_offsets(self._prefilter, first_row)
        return self._prefilter.prepared(tile)

    def _move_offsets(self, prefilter: Bfloat16Products, first_row: int) -> None:
        thresholds = np.concatenate([candidates.thresholds for candidates in self._candidates])
        offsets = prefilter.set_offsets(thresholds - np.float32(_BELOW_THRESHOLDS))
        for start, candidates in zip(
            range(0, len(offsets), self._share), self._candidates, strict=True
        ):
            candidates.subtract(offsets[start : start + self._share], first_row)

    def _add_cheaply(
        self,
        block: range,
        tile: npt.NDArray[np.float32],
        prepared: Any,
        chunk: slice,
        first_row: int,
    ) -> list[range]:
        """Scans cheap products; returns the queries that need full products."""
        pieces, first_row = self._pieces(block), first_row + chunk.start
        if self._prefilter is None:
            return pieces
        rows, lost = prepared
        error = self._error + self._prefilter.error(lost, tile.shape[1])
        halves = self._prefilter.halves(_slice(block), rows, chunk)
        open_ = self._scan(self._add_halves, block, pieces, halves, first_row, error)
        if open_ and self._rows_seen > _BOUND_AFTER * self.k:
            # Thresholds hardly rise any more: from here on, the prefilter costs more than it saves.
            self._prefilter = None
        return open_

    def _pieces(self, block: range) -> list[range]:
        """Splits a block of queries at the boundaries of the candidates' shares."""
        cuts = range(block.start // self._share * self._share, block.stop, self._share)
        return [range(max(cut, block.start), min(cut + self._share, block.stop)) for cut in cuts]

    def _multiplied(
        self, left: npt.NDArray[np.float32], right: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        # All products share a buffer: faulting in new pages would cost more than the scan.
        if self._products.size < len(left) * len(right):
            self._products = np.empty(len(left) * len(right), np.float32)
        products = self._products[: len(left) * len(right)].reshape(len(left), len(right))
        return np.matmul(left, right.T, out=products)

    def _scan(
        self,
        scan: Callable[..., bool],
        block: range,
        pieces: list[range],
        products: npt.NDArray,
        *arguments: Any,
    ) -> list[range]:
        """Scans pieces of a product on all processors; returns those that need full products."""

        def look(piece: range) -> bool:
            rows = slice(piece.start - block.start, piece.stop - block.start)
            return scan(piece, products[rows], *arguments)

        done = self._threads.map(look, pieces) if len(pieces) > 1 else map(look, pieces)
        return [piece for piece, closed in zip(pieces, done, strict=True) if not closed]

    def _add_scores(self, piece: range, scores: npt.NDArray[np.float32], first_row: int) -> bool:
        candidates, first = self._candidates_of(piece)
        candidates.add(scores, first_row, self._error, first)
        return True

    def _add_halves(
        self, piece: range, halves: npt.NDArray[np.int16], first_row: int, error: float
    ) -> bool:
        candidates, first = self._candidates_of(piece)
        return candidates.add_halves(halves, first_row, error, first)

    def _candidates_of(self, piece: range) -> tuple[Candidates, int]:
        """The candidates that a piece of queries belongs to, and its first query among them."""
        return self._candidates[piece.start // self._share], piece.start % self._share

    def finish(self) -> Neighbors:
        """The neighbours among all rows added since `begin`."""
        return stacked([candidates.finish() for candidates in self._candidates])

    def _shifted_scores(self, start: int) -> PairScores | None:
        pair_scores = self._pair_scores
        if pair_scores is None:
            return None
        return lambda query_rows, rows: pair_scores(start + query_rows, rows)


def rows_at_once(most: int) -> int:
    """The number of rows of a product: a power of two, so that the scan needs no padding."""
    return max(_LEAST_ROWS, 1 << max(most.bit_length() - 1, 0))


def _slice(chunk: range) -> slice:
    return slice(chunk.start, chunk.stop)
