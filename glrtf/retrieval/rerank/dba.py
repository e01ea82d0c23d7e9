"""Rows replaced by a weighted mean over their neighbourhood: step 6 and its variants."""

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.concatenated_rows import ConcatenatedRows
from glrtf.embeddings.rows import FLOAT32_UNIT, RowSource, gather_rows, normalized
from glrtf.retrieval.search.neighbors import NO_ROW, Neighbors


def published_weights(similarities: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """√clip(2 - d, 0, 2) with d = 1 - s, any shape."""
    return np.sqrt(np.clip(1 + similarities, 0, 2))


def power_weights(similarities: npt.NDArray[np.float64], alpha: float) -> npt.NDArray[np.float64]:
    """s^α, 0 for negative similarities (Radenović et al., arXiv 1711.02512, 3.5), any shape."""
    return np.clip(similarities, 0, None) ** alpha


class AveragedRows:
    """Rows computed as they are read: L2(Σ weight · neighbour row).

    Args:
        source: Where the neighbours' rows come from.
        indices: (rows, n) int64 rows of `source`; -1 for none.
        weights: (rows, n) float64, 0 or more; those of -1 do not count.
        ids: (rows,) S dtype, the ids of the averaged rows.
        name: Their name in messages.
        digest: A SHA-256 of their sources.
        part_lengths: Their division into parts; None makes one part.
    """

    def __init__(
        self,
        source: RowSource,
        indices: npt.NDArray[np.int64],
        weights: npt.NDArray[np.float64],
        *,
        ids: npt.NDArray[np.bytes_],
        name: str,
        digest: str,
        part_lengths: tuple[int, ...] | None = None,
    ) -> None:
        self._source = source
        self._indices = indices
        self._weights = np.where(indices == NO_ROW, 0, weights)
        self.ids = ids
        self.name = name
        self.digest = digest
        self.part_lengths = part_lengths or (len(indices),)
        self.dimension = source.dimension
        self.rounding = FLOAT32_UNIT * 1.01

    def read(self, part: int, start: int, stop: int) -> npt.NDArray[np.float32]:
        """Rows start..stop of a part, float32 (rows, dimension)."""
        stop = min(stop, self.part_lengths[part])
        return self.gather(part, np.arange(start, stop)).astype(np.float32)

    def gather(self, part: int, rows: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
        """Any rows of a part, float64 (len(rows), dimension)."""
        rows = rows + sum(self.part_lengths[:part])
        total = np.zeros((len(rows), self.dimension))
        for column in range(self._indices.shape[1]):
            near = np.maximum(self._indices[rows, column], 0)
            total += self._weights[rows, column, None] * gather_rows(self._source, near)
        return normalized(total)


def augmented(
    source: RowSource,
    neighbors: Neighbors,
    alpha: float | None,
    *,
    ids: npt.NDArray[np.bytes_],
    name: str,
    digest: str,
    part_lengths: tuple[int, ...] | None = None,
) -> AveragedRows:
    """Database-side augmentation: rows as weighted means of their nearest rows.

    Args:
        source: The rows that were searched.
        neighbors: Each row's nearest rows of `source`, itself among them.
        alpha: The weights' power; None uses the published weights.
        ids: (rows,) S dtype.
        name: The new rows' name in messages.
        digest: A SHA-256 of their sources.
        part_lengths: Their division into parts; None makes one part.
    """
    similarities = np.where(neighbors.indices == NO_ROW, 0, neighbors.scores)
    if alpha is None:
        weights = published_weights(similarities)
    else:
        weights = power_weights(similarities, alpha)
    return AveragedRows(
        source,
        neighbors.indices,
        weights,
        ids=ids,
        name=name,
        digest=digest,
        part_lengths=part_lengths,
    )


def expanded(
    query: RowSource, index: RowSource, neighbors: Neighbors, alpha: float, *, digest: str
) -> AveragedRows:
    """α-query expansion: L2(q + Σ s^α · i) over q's nearest index rows (arXiv 1711.02512, 3.5).

    Args:
        query: The queries.
        index: The rows that were searched.
        neighbors: Each query's nearest rows of `index`.
        alpha: The weights' power.
        digest: A SHA-256 of what the new rows are made from.
    """
    own = np.arange(len(query.ids))[:, None]
    theirs = np.where(neighbors.indices == NO_ROW, NO_ROW, neighbors.indices + len(query.ids))
    similarities = np.where(neighbors.indices == NO_ROW, 0, neighbors.scores)
    weights = power_weights(similarities, alpha)
    return AveragedRows(
        ConcatenatedRows([query, index]),
        np.concatenate([own, theirs], axis=1),
        np.concatenate([np.ones(own.shape), weights], axis=1),
        ids=query.ids,
        name=f"{query.name} expanded",
        digest=digest,
        part_lengths=query.part_lengths,
    )
