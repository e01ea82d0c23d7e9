"""Exact search: float32 products in tiles, a proven error bound, float64 at the end."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from glrtf.embedding_arrays import NORM_TOLERANCE
from glrtf.embedding_rows import FLOAT32_UNIT, RowSource
from glrtf.retrieval.candidates import Candidates, PairScores
from glrtf.retrieval.neighbors import Neighbors, merge, score_pairs, stacked, usable_processors

_TILE_ROWS = 2048
_TILE_QUERIES = 2048
_NUMBERS_AT_ONCE = 1 << 23
"""How many numbers of queries are held at once, 32 MB."""


def search(
    queries: RowSource,
    database: RowSource,
    k: int,
    per_part: int = 0,
    *,
    float64_scores: bool = True,
) -> Neighbors:
    """Finds the nearest database rows of every query, exactly.

    Args:
        queries: The queries, of the database's dimension.
        database: The rows to search, streamed part by part.
        k: How many neighbours are wanted.
        per_part: If positive, that many are taken from each part instead, and
            k does not matter: the result has per_part × parts columns.
        float64_scores: Whether scores are the defining ones. Without, they
            are what the float32 product gives, and rows that differ by less
            than its rounding, about 1e-6, may change places.

    Returns:
        Neighbours of all queries; scores are dot products in float64,
        descending, ties by ascending row; padded where rows run out.

    Raises:
        UserError: On a row that is not finite or not of length 1.
    """
    blocks = search_blocks(queries, database, k, per_part, float64_scores=float64_scores)
    width = per_part * len(database.part_lengths) if per_part else k
    return stacked([Neighbors(np.empty((0, width), np.int64), np.empty((0, width))), *blocks])


def search_blocks(
    queries: RowSource,
    database: RowSource,
    k: int,
    per_part: int = 0,
    *,
    float64_scores: bool = True,
) -> Iterator[Neighbors]:
    """Like `search`, some thousand queries at a time, in order."""
    error = score_error(queries, database) if float64_scores else 0.0
    at_once = max(_TILE_QUERIES, _NUMBERS_AT_ONCE // max(queries.dimension, 1))
    first = 0
    with ThreadPoolExecutor(usable_processors()) as threads:
        for part, length in enumerate(queries.part_lengths):
            for start in range(0, length, at_once):
                vectors = queries.read(part, start, min(start + at_once, length))

                def pair_scores(
                    asked: npt.NDArray[np.int64],
                    rows: npt.NDArray[np.int64],
                    first: int = first + start,
                ) -> npt.NDArray[np.float64]:
                    return score_pairs(queries, database, first + asked, rows)

                block = _QueryBlock(
                    vectors,
                    per_part or k,
                    error,
                    pair_scores if float64_scores else None,
                    threads,
                )
                yield _search_block(block, database, per_part)
            first += length


def score_error(queries: RowSource, database: RowSource) -> float:
    """How far a float32 product can be from the float64 one, at most.

    γ_d·‖a‖·‖b‖ for the sum in any order (Higham, Accuracy and Stability of
    Numerical Algorithms, 3.1), plus what rounding the rows to float32 cost.
    """
    dimension = queries.dimension
    gamma = dimension * FLOAT32_UNIT / (1 - dimension * FLOAT32_UNIT)
    longest = 1 + NORM_TOLERANCE
    return gamma * longest**2 + (queries.rounding + database.rounding) * longest


class _QueryBlock:
    """Some queries and the candidates found for them."""

    def __init__(
        self,
        vectors: npt.NDArray[np.float32],
        k: int,
        error: float,
        pair_scores: PairScores | None,
        threads: ThreadPoolExecutor,
    ) -> None:
        self._vectors = vectors
        self.k = k
        self._error = error
        self._pair_scores = pair_scores
        self._threads = threads
        self._products = np.empty(min(_TILE_QUERIES, len(vectors)) * _TILE_ROWS, np.float32)
        # The product uses all processors, so each of its tiles is looked through by all.
        self._scanned_at_once = math.ceil(_TILE_QUERIES / usable_processors())
        self.begin()

    def begin(self) -> None:
        """Forgets what was found."""
        self._candidates: dict[int, Candidates] = {}
        for tile in range(0, len(self._vectors), _TILE_QUERIES):
            end = min(tile + _TILE_QUERIES, len(self._vectors))
            for start in range(tile, end, self._scanned_at_once):
                count = min(self._scanned_at_once, end - start)
                self._candidates[start] = Candidates(count, self.k, self._shifted_scores(start))

    def add(self, tile: npt.NDArray[np.float32], first_row: int) -> None:
        """Multiplies all queries with some database rows and keeps the candidates."""
        for start in range(0, len(self._vectors), _TILE_QUERIES):
            vectors = self._vectors[start : start + _TILE_QUERIES]
            shape = len(vectors), len(tile)
            # One buffer for all products: fresh pages would cost more than the scan.
            products = self._products[: shape[0] * shape[1]].reshape(shape)
            np.matmul(vectors, tile.T, out=products)
            scans = [
                self._threads.submit(
                    self._candidates[start + offset].add,
                    products[offset : offset + self._scanned_at_once],
                    first_row,
                    self._error,
                )
                for offset in range(0, len(vectors), self._scanned_at_once)
            ]
            for scan in scans:
                scan.result()

    def finish(self) -> Neighbors:
        """The neighbours among all rows added since `begin`."""
        return stacked([candidates.finish() for candidates in self._candidates.values()])

    def _shifted_scores(self, start: int) -> PairScores | None:
        pair_scores = self._pair_scores
        if pair_scores is None:
            return None
        return lambda asked, rows: pair_scores(start + asked, rows)


def _search_block(block: _QueryBlock, database: RowSource, per_part: int) -> Neighbors:
    found: list[Neighbors] = []
    first_row = 0
    for part, length in enumerate(database.part_lengths):
        for start in range(0, length, _TILE_ROWS):
            tile = database.read(part, start, min(start + _TILE_ROWS, length))
            block.add(tile, first_row + start)
        first_row += length
        if per_part:
            found.append(block.finish())
            block.begin()
    return merge(found, per_part * len(found)) if per_part else block.finish()
