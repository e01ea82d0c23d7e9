"""Exact search: float32 products in tiles, a proven error bound, float64 at the end."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.part_files import NORM_TOLERANCE
from glrtf.embeddings.rows import FLOAT32_UNIT, RowSource
from glrtf.retrieval.processors import usable_processors
from glrtf.retrieval.search import prefilter as prefilters
from glrtf.retrieval.search.bfloat16 import Bfloat16Products
from glrtf.retrieval.search.neighbors import Neighbors, score_pairs, stacked
from glrtf.retrieval.search.query_block import QUERIES_A_PRODUCT, QueryBlock, rows_at_once
from glrtf.retrieval.search.streaming import collect_neighbors
from glrtf.retrieval.search.top_k import ROOM

_TILE_NUMBERS = 1 << 22
"""How many numbers of rows are read at once, 16 MB."""
_NUMBERS_AT_ONCE = 1 << 23
"""How many numbers of queries are held at once, 32 MB, and how many of their candidates."""


def search(
    queries: RowSource,
    database: RowSource,
    k: int,
    per_part: int = 0,
    *,
    float64_scores: bool = True,
    prefilter: bool = True,
) -> Neighbors:
    """Finds the nearest database rows of every query, exactly.

    Args:
        queries: The queries, of the database's dimension.
        database: The rows to search, streamed part by part.
        k: Number of neighbours wanted.
        per_part: If positive, that many are taken from each part instead, and
            k does not matter: the result has per_part × parts columns.
        float64_scores: Whether scores are the defining ones. Without, they may be
            what the float32 product gives, and rows that differ by less than its
            rounding, about 1e-6, may change places.
        prefilter: Whether cheaper, rounded products may run first, if a sample shows that
            they save time. The result is the same.

    Returns:
        Neighbours of all queries; scores are dot products in float64,
        descending, ties by ascending row; padded where rows run out.

    Raises:
        UserError: On a row that is not finite or not of length 1.
    """
    blocks = search_blocks(
        queries, database, k, per_part, float64_scores=float64_scores, prefilter=prefilter
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
    prefilter: bool = True,
) -> Iterator[Neighbors]:
    """Like `search`, a few thousand queries at a time, in order."""
    error = score_error(queries, database)
    widest = max(queries.dimension, ROOM * (per_part or k), 1)
    at_once = max(QUERIES_A_PRODUCT, _NUMBERS_AT_ONCE // widest)
    tile_rows = rows_at_once(_TILE_NUMBERS // max(database.dimension, 1))
    first = 0
    with ThreadPoolExecutor(usable_processors()) as threads:
        for part, length in enumerate(queries.part_lengths):
            for start in range(0, length, at_once):
                vectors = queries.read(part, start, min(start + at_once, length))

                def pair_scores(
                    query_rows: npt.NDArray[np.int64],
                    rows: npt.NDArray[np.int64],
                    first: int = first + start,
                ) -> npt.NDArray[np.float64]:
                    return score_pairs(queries, database, first + query_rows, rows)

                chosen = None
                if prefilter:
                    chosen = prefilters.choose(
                        vectors, database, per_part or k, threads, float64_scores=float64_scores
                    )
                # Rounded products are no scores.
                scored = float64_scores or isinstance(chosen, Bfloat16Products)
                block = QueryBlock(
                    vectors,
                    per_part or k,
                    error if scored else 0.0,
                    pair_scores if scored else None,
                    threads,
                    chosen,
                )
                yield collect_neighbors(block, database, per_part, tile_rows)
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
