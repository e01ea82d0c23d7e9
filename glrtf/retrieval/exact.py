"""Exact search: float32 products in tiles, a proven error bound, float64 at the end."""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from glrtf.embedding_arrays import NORM_TOLERANCE
from glrtf.embedding_rows import FLOAT32_UNIT, RowSource
from glrtf.retrieval import projection as projections
from glrtf.retrieval.candidates import ROOM, Candidates, PairScores
from glrtf.retrieval.neighbors import Neighbors, score_pairs, stacked, usable_processors
from glrtf.retrieval.projection import Projection
from glrtf.retrieval.streaming import search_parts

_TILE_NUMBERS = 1 << 22
"""How many numbers of rows are read at once, 16 MB."""
_QUERIES_A_PRODUCT = 2048
_SCORES_A_PRODUCT = 1 << 20
"""Scores of a product for each processor, 4 MB: what its cache can hold."""
_OPENING_SCORES = 1 << 22
"""Scores of the first products, which are wide: they make the first floors."""
_MOST_PASSING = 0.02
"""If more of a tile's pairs pass the bound, the full product is cheaper."""
_BOUND_AFTER = 200
"""After this many times k rows, floors are high enough for bounds."""
_PAIR_NUMBERS = 1 << 16
_SAMPLE = 2048
_LEAST_ROWS = 256
"""Fewer rows at once would not be worth a product."""
_LEAST_DIMENSION = 256
_NUMBERS_AT_ONCE = 1 << 23
"""How many numbers of queries are held at once, 32 MB, and how many of their candidates."""


def search(
    queries: RowSource,
    database: RowSource,
    k: int,
    per_part: int = 0,
    *,
    float64_scores: bool = True,
    first_pass: bool = True,
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
        first_pass: Whether products of few directions may go before, where a
            sample says that they save time. The result is the same.

    Returns:
        Neighbours of all queries; scores are dot products in float64,
        descending, ties by ascending row; padded where rows run out.

    Raises:
        UserError: On a row that is not finite or not of length 1.
    """
    blocks = search_blocks(
        queries, database, k, per_part, float64_scores=float64_scores, first_pass=first_pass
    )
    width = per_part * len(database.part_lengths) if per_part else k
    return stacked([Neighbors(np.empty((0, width), np.int64), np.empty((0, width))), *blocks])


def search_blocks(
    queries: RowSource,
    database: RowSource,
    k: int,
    per_part: int = 0,
    *,
    float64_scores: bool = True,
    first_pass: bool = True,
) -> Iterator[Neighbors]:
    """Like `search`, some thousand queries at a time, in order."""
    error = score_error(queries, database) if float64_scores else 0.0
    widest = max(queries.dimension, ROOM * (per_part or k), 1)
    at_once = max(_QUERIES_A_PRODUCT, _NUMBERS_AT_ONCE // widest)
    tile_rows = _rows_at_once(_TILE_NUMBERS // max(database.dimension, 1))
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
                    _first_pass(vectors, database, per_part or k) if first_pass else None,
                )
                yield search_parts(block, database, per_part, tile_rows)
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


def _first_pass(vectors: npt.NDArray[np.float32], database: RowSource, k: int) -> Projection | None:
    """The cheap first pass, where the queries and rows are many enough and a sample agrees."""
    num_rows = sum(database.part_lengths)
    if database.dimension < _LEAST_DIMENSION or len(vectors) < 512 or num_rows < 16 * _SAMPLE:
        return None
    blocks = []
    for part, length in enumerate(database.part_lengths):
        share = round(_SAMPLE * length / num_rows)
        # Runs of rows, some here and some there: a part may be sorted.
        for start in np.linspace(0, max(0, length - 32), max(1, share // 32)).astype(int):
            blocks.append(database.read(part, int(start), min(int(start) + 32, length)))
    return projections.choose(vectors, np.concatenate(blocks), k, num_rows)


class _QueryBlock:
    """Some queries and the candidates found for them."""

    def __init__(
        self,
        vectors: npt.NDArray[np.float32],
        k: int,
        error: float,
        pair_scores: PairScores | None,
        threads: ThreadPoolExecutor,
        projection: Projection | None,
    ) -> None:
        self._vectors = vectors
        self.k = k
        self._error = error
        self._pair_scores = pair_scores
        self._threads = threads
        self._projection = projection
        if projection is not None:
            self._extended = projection.extended(vectors)
        self._products = np.empty(0, np.float32)
        # The product uses all processors, so each of them looks through a share of it.
        processors = usable_processors()
        self._share = math.ceil(min(_QUERIES_A_PRODUCT, len(vectors)) / processors) or 1
        self._at_once = self._share * processors
        self._columns = _rows_at_once(_SCORES_A_PRODUCT * processors // self._at_once)
        self.begin()

    def begin(self) -> None:
        """Forgets what was found."""
        self._rows_seen = 0
        count = len(self._vectors)
        self._candidates = [
            Candidates(min(self._share, count - start), self.k, self._shifted_scores(start))
            for start in range(0, count, self._share)
        ]

    def add(self, tile: npt.NDArray[np.float32], first_row: int) -> None:
        """Multiplies all queries with some database rows and keeps the candidates."""
        at_once, columns = self._at_once, self._columns
        if self._rows_seen == 0:
            at_once, columns = max(1, _OPENING_SCORES // max(len(tile), 1)), max(len(tile), 1)
        # The first rows make floors; held against low ones, too many bounds would pass.
        bounded = self._projection is not None and self._rows_seen >= _BOUND_AFTER * self.k
        extended = self._projection.extended(tile) if bounded and self._projection else None
        self._rows_seen += len(tile)
        for column in range(0, len(tile), columns):
            some = slice(column, column + columns)
            for start in range(0, len(self._vectors), at_once):
                block = range(start, min(start + at_once, len(self._vectors)))
                bounds = None if extended is None else extended[some]
                self._add_product(block, tile[some], bounds, first_row + column)

    def _add_product(
        self,
        block: range,
        tile: npt.NDArray[np.float32],
        extended: npt.NDArray[np.float32] | None,
        first_row: int,
    ) -> None:
        """Looks through the products, or first through their bounds, of some queries and rows."""
        open_ = self._pieces(block)
        if extended is not None and self._projection is not None:
            products = self._multiplied(self._extended[block.start : block.stop], extended)
            open_ = self._scan(self._add_bounded, block, open_, products, tile, first_row)
            if open_:
                # Too many pass: from here on the bound costs more than it saves.
                self._projection = None
        if open_:
            products = self._multiplied(self._vectors[block.start : block.stop], tile)
            self._scan(self._add_scores, block, open_, products, tile, first_row)

    def _pieces(self, block: range) -> list[range]:
        """Cuts a block of queries where the candidates are cut."""
        cuts = range(block.start // self._share * self._share, block.stop, self._share)
        return [range(max(cut, block.start), min(cut + self._share, block.stop)) for cut in cuts]

    def _multiplied(
        self, left: npt.NDArray[np.float32], right: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        # One buffer for all products: fresh pages would cost more than the scan.
        if self._products.size < len(left) * len(right):
            self._products = np.empty(len(left) * len(right), np.float32)
        products = self._products[: len(left) * len(right)].reshape(len(left), len(right))
        return np.matmul(left, right.T, out=products)

    def _scan(
        self,
        scan: Callable[..., bool],
        block: range,
        pieces: list[range],
        products: npt.NDArray[np.float32],
        tile: npt.NDArray[np.float32],
        first_row: int,
    ) -> list[range]:
        """Looks through pieces of a product, on all processors; which of them are still open."""
        if len(pieces) == 1:
            done = [scan(pieces[0], products[_within(pieces[0], block)], tile, first_row)]
        else:
            scans = [
                self._threads.submit(scan, piece, products[_within(piece, block)], tile, first_row)
                for piece in pieces
            ]
            done = [one.result() for one in scans]
        return [piece for piece, closed in zip(pieces, done, strict=True) if not closed]

    def _add_scores(
        self, piece: range, scores: npt.NDArray[np.float32], tile: npt.NDArray, first_row: int
    ) -> bool:
        candidates, first = self._candidates_of(piece)
        candidates.add(scores, first_row, self._error, first)
        return True

    def _candidates_of(self, piece: range) -> tuple[Candidates, int]:
        """The candidates of a piece of queries, and which of their queries is its first."""
        return self._candidates[piece.start // self._share], piece.start % self._share

    def _add_bounded(
        self, piece: range, bounds: npt.NDArray[np.float32], tile: npt.NDArray, first_row: int
    ) -> bool:
        """Multiplies the pairs whose bound reaches their query's floor; False if too many do."""
        assert self._projection is not None
        candidates, first = self._candidates_of(piece)
        error = self._projection.error + self._error
        asked, columns = candidates.passing(bounds, error, first)
        if len(asked) > _MOST_PASSING * bounds.size:
            return False
        scores = np.empty(len(asked), np.float32)
        step = max(1, _PAIR_NUMBERS // tile.shape[1])
        vectors = self._vectors[piece.start - first :]
        for pair in range(0, len(asked), step):
            some = slice(pair, pair + step)
            left, right = vectors[asked[some]], tile[columns[some]]
            scores[some] = np.einsum("ij,ij->i", left, right)
        passed = scores >= candidates.thresholds(self._error)[asked]
        candidates.insert(asked[passed], columns[passed] + first_row, scores[passed])
        return True

    def finish(self) -> Neighbors:
        """The neighbours among all rows added since `begin`."""
        return stacked([candidates.finish() for candidates in self._candidates])

    def _shifted_scores(self, start: int) -> PairScores | None:
        pair_scores = self._pair_scores
        if pair_scores is None:
            return None
        return lambda asked, rows: pair_scores(start + asked, rows)


def _rows_at_once(most: int) -> int:
    """A power of two, for which the scan need not pad."""
    return max(_LEAST_ROWS, 1 << max(most.bit_length() - 1, 0))


def _within(piece: range, block: range) -> slice:
    """Where a piece of queries lies in the product of its block."""
    return slice(piece.start - block.start, piece.stop - block.start)
