"""Exact search: float32 products in tiles, a proven error bound, float64 at the end."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from glrtf.embedding_arrays import NORM_TOLERANCE
from glrtf.embedding_rows import FLOAT32_UNIT, RowSource
from glrtf.retrieval.candidates import Candidates
from glrtf.retrieval.neighbors import Neighbors, gather_rows, merge, pair_scores

_TILE_ROWS = 2048
_TILE_QUERIES = 1024
_QUERIES_AT_ONCE = 8192


def search(queries: RowSource, database: RowSource, k: int, per_part: int = 0) -> Neighbors:
    """Finds the nearest database rows of every query, exactly.

    Args:
        queries: The queries, of the database's dimension.
        database: The rows to search, streamed part by part.
        k: How many neighbours are wanted.
        per_part: If positive, that many are taken from each part instead, and
            k does not matter: the result has per_part × parts columns.

    Returns:
        Neighbours of all queries; scores are dot products in float64,
        descending, ties by ascending row; padded where rows run out.

    Raises:
        UserError: On a row that is not finite or not of length 1.
    """
    blocks = list(search_blocks(queries, database, k, per_part))
    return Neighbors(
        np.concatenate([block.indices for block in blocks]),
        np.concatenate([block.scores for block in blocks]),
    )


def search_blocks(
    queries: RowSource, database: RowSource, k: int, per_part: int = 0
) -> Iterator[Neighbors]:
    """Like `search`, some thousand queries at a time, in order."""
    for part, length in enumerate(queries.part_lengths):
        for start in range(0, max(length, 1), _QUERIES_AT_ONCE):
            stop = min(start + _QUERIES_AT_ONCE, length)
            approximate = queries.read(part, start, stop)
            true = queries.gather(part, np.arange(start, stop))
            error = score_error(queries, database)
            yield _search_block(approximate, true, error, database, k, per_part)


def score_error(queries: RowSource, database: RowSource) -> float:
    """How far a float32 product can be from the float64 one, at most.

    γ_d·‖a‖·‖b‖ for the sum in any order (Higham, Accuracy and Stability of
    Numerical Algorithms, 3.1), plus what rounding the rows to float32 cost.
    """
    dimension = queries.dimension
    gamma = dimension * FLOAT32_UNIT / (1 - dimension * FLOAT32_UNIT)
    longest = 1 + NORM_TOLERANCE
    return gamma * longest**2 + (queries.rounding + database.rounding) * longest


def _search_block(
    approximate: npt.NDArray[np.float32],
    true: npt.NDArray[np.float64],
    error: float,
    database: RowSource,
    k: int,
    per_part: int,
) -> Neighbors:
    def new_candidates(first: int, count: int) -> Candidates:
        return Candidates(
            count,
            per_part or k,
            error,
            lambda query, rows: pair_scores(true[first + query], gather_rows(database, rows)),
        )

    def new_state() -> list[Candidates]:
        starts = range(0, len(approximate), _TILE_QUERIES)
        return [
            new_candidates(start, min(_TILE_QUERIES, len(approximate) - start)) for start in starts
        ]

    found: list[Neighbors] = []
    state = new_state()
    first_row = 0
    for part, length in enumerate(database.part_lengths):
        for start, stop in _tiles(length, per_part or k):
            tile = database.read(part, start, stop)
            _add_tile(approximate, tile, first_row + start, state)
        first_row += length
        if per_part:
            found.append(_finished(state, per_part))
            state = new_state()
    if per_part:
        return merge(found, per_part * len(found))
    return _finished(state, k)


def _add_tile(
    queries: npt.NDArray[np.float32],
    tile: npt.NDArray[np.float32],
    first_row: int,
    state: list[Candidates],
) -> None:
    for number, candidates in enumerate(state):
        block = queries[number * _TILE_QUERIES : (number + 1) * _TILE_QUERIES]
        candidates.add(block @ tile.T, first_row)


def _tiles(length: int, k: int) -> Iterator[tuple[int, int]]:
    """Cuts a part into tiles, the first ones small: they only find the first thresholds."""
    start, size = 0, max(2 * k, 128)
    while start < length:
        stop = min(start + min(size, _TILE_ROWS), length)
        yield start, stop
        start, size = stop, size * 2


def _finished(state: list[Candidates], k: int) -> Neighbors:
    blocks = [candidates.finish() for candidates in state]
    if not blocks:
        return Neighbors(np.empty((0, k), np.int64), np.empty((0, k)))
    return Neighbors(
        np.concatenate([block.indices for block in blocks]),
        np.concatenate([block.scores for block in blocks]),
    )
