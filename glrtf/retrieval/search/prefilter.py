"""Chooses the prefilter that runs before the float32 products of a search, if any.

A sample of rows shows how many pairs it would leave open, and so what it would
cost. The result is the same with and without.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.rows import RowSource
from glrtf.retrieval.search import bfloat16
from glrtf.retrieval.search.bfloat16 import Bfloat16Products

Prefilter: TypeAlias = Bfloat16Products | None

_SAMPLE = 2048
_SAMPLED_QUERIES = 128
_RUN = 32
_LEAST_QUERIES = 512
_LEAST_DIMENSION = 256
_WORTHWHILE = 0.85
"""The share of the full product's time that rounded products may be expected to take."""
_SCORE_COST = 140.0
"""A pair scored in float64 costs this many times what it costs within a product."""
_SCAN_COST = 0.06
"""Rounding the rows and looking through the scores, by full products."""


def choose(
    vectors: npt.NDArray[np.float32],
    database: RowSource,
    k: int,
    threads: ThreadPoolExecutor,
    *,
    float64_scores: bool = True,
) -> Prefilter:
    """The prefilter if it is expected to save time, else None.

    Args:
        vectors: (n, dimension) float32 queries of one block.
        database: The rows to search.
        k: Number of neighbours wanted.
        threads: Threads that the prefilter may use.
        float64_scores: Whether the k best are scored in float64 in any case.
    """
    num_rows = sum(database.part_lengths)
    few = len(vectors) < _LEAST_QUERIES or num_rows < 16 * _SAMPLE
    if few or database.dimension < _LEAST_DIMENSION:
        return None
    sample = _sample(database, num_rows)
    scores = vectors[:: max(1, len(vectors) // _SAMPLED_QUERIES)] @ sample.T
    thresholds = _sample_thresholds(scores, k, num_rows)
    work = 2.0 * len(vectors) * num_rows * database.dimension
    share = bfloat16.share_of_float32(database.dimension, work)
    cost = _cost_of_rounding(scores, thresholds, share, k / num_rows, float64_scores)
    return Bfloat16Products(vectors, threads) if cost <= _WORTHWHILE else None


def _sample_thresholds(
    scores: npt.NDArray[np.float32], k: int, num_rows: int
) -> npt.NDArray[np.float32]:
    """(queries,) the k-th best score among all rows, estimated from a sample of them."""
    num_sampled = scores.shape[1]
    place = min(num_sampled - 1, max(1, round(k * num_sampled / num_rows)))
    return -np.partition(-scores, place - 1, axis=1)[:, place - 1]


def _cost_of_rounding(
    scores: npt.NDArray[np.float32],
    thresholds: npt.NDArray[np.float32],
    share: float,
    wanted: float,
    float64_scores: bool,
) -> float:
    """The cost of a search by rounded products, relative to the full product."""
    if share == np.inf:
        return np.inf
    reached = np.count_nonzero(scores >= thresholds[:, None])
    nearly = np.count_nonzero(scores >= thresholds[:, None] - bfloat16.USUAL_ERROR)
    more = nearly / reached - float64_scores
    return share + _SCAN_COST + _SCORE_COST * wanted * more


def _sample(database: RowSource, num_rows: int) -> npt.NDArray[np.float32]:
    """Runs of rows spread over all parts, since a part may be sorted."""
    blocks = []
    for part, length in enumerate(database.part_lengths):
        runs = max(1, round(_SAMPLE * length / num_rows) // _RUN)
        for start in np.linspace(0, max(0, length - _RUN), runs).astype(int):
            blocks.append(database.read(part, int(start), min(int(start) + _RUN, length)))
    return np.concatenate(blocks)
