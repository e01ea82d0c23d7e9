"""Exact search for a few queries in rows in memory: one table of scores, one selection.

`exact.search` streams any number of rows past any number of queries. With a few queries and parts
of a few hundred rows, the steps of its tiles take ten times as long as the products. The result
is the same to the last bit.
"""

import numpy as np

from glrtf.embeddings.in_memory import InMemoryRows
from glrtf.embeddings.rows import RowSource
from glrtf.retrieval.search.exact import score_error
from glrtf.retrieval.search.neighbors import NO_ROW, Neighbors, best, score_pairs
from glrtf.retrieval.search.packed_candidates import lowered
from glrtf.retrieval.search.scan import Scan
from glrtf.retrieval.search.top_k import kth_at_least

_MOST_NUMBERS = 1 << 27
"""The largest number of products that `einsum` adds up; `exact` multiplies more of them faster."""
_LINE = 64
"""Lines of scores are a multiple of this long, so that `kth_at_least` can halve them."""


def is_suited(queries: RowSource, database: RowSource) -> bool:
    """Whether `search` takes less time than `exact.search`."""
    return len(queries.ids) * len(database.ids) * database.dimension <= _MOST_NUMBERS


def search(queries: RowSource, database: InMemoryRows, k: int, per_part: int = 0) -> Neighbors:
    """Finds the nearest database rows of every query, exactly; see `exact.search`.

    Args:
        queries: The queries, see `is_suited`.
        database: The rows to search.
        k: Number of neighbours wanted.
        per_part: If positive, that many are taken from each part instead.
    """
    whole = database.undivided
    rows, wanted = (database, per_part) if per_part else (whole, k)
    count, parts = len(queries.ids), len(rows.part_lengths)
    vectors = np.concatenate(
        [queries.read(part, 0, length) for part, length in enumerate(queries.part_lengths)]
    )
    # A line for each query and part. Beyond the end of a part, scores are -inf.
    width = -(-max(rows.part_lengths) // _LINE) * _LINE
    scores = np.full((count, parts, width), -np.inf, np.float32)
    for part, length in enumerate(rows.part_lengths):
        # The threads of BLAS would wait actively after each of these small products.
        np.einsum("qd,rd->qr", vectors, rows.read(part, 0, length), out=scores[:, part, :length])
    lines = scores.reshape(count * parts, width)
    # As in `top_k`: what reaches the threshold by true score is at most two errors below it here.
    least = lowered(kth_at_least(lines, wanted), 2 * score_error(queries, database))
    line, column = Scan().reaching(lines, np.maximum(least, np.finfo(np.float32).min))
    lengths = np.array(rows.part_lengths, np.int64)
    starts = np.cumsum(lengths) - lengths
    found = starts[line % parts] + column
    true = score_pairs(queries, whole, line // parts, found)
    near = _best_of_lines(line, found, true, len(lines), wanted)
    if not per_part:
        return near
    together = count, parts * wanted
    return best(near.indices.reshape(together), near.scores.reshape(together), together[1])


def _best_of_lines(
    line: np.ndarray, rows: np.ndarray, scores: np.ndarray, lines: int, k: int
) -> Neighbors:
    """The k best candidates of each line; (candidates,) lines, ascending, rows and scores."""
    counts = np.bincount(line, minlength=lines)
    filled = np.arange(counts.max(initial=0)) < counts[:, None]
    table = Neighbors(np.full(filled.shape, NO_ROW), np.full(filled.shape, -np.inf))
    table.indices[filled], table.scores[filled] = rows, scores
    return best(table.indices, table.scores, k)
