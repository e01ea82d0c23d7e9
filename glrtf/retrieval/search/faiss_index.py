"""An opened faiss index: candidates for queries among the rows of a database."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.search.faiss_library import library
from glrtf.retrieval.search.neighbors import NO_ROW


@dataclasses.dataclass(frozen=True)
class FaissIndex:
    """An opened index and the rows behind it.

    Attributes:
        index: faiss's index; None if all rows are searched exactly.
        row_of: (rows of the index,) int64, which row of the database each is; -1 for none.
        tail: (n,) int64, rows of the database that the index does not have.
        effort: How many lists are probed, or how many links are followed.
        recall: The share of true neighbours that it found for a sample of the rows.
    """

    index: Any
    row_of: npt.NDArray[np.int64]
    tail: npt.NDArray[np.int64]
    effort: int = 0
    recall: float = 1.0

    def candidates(
        self, queries: npt.NDArray[np.float32], count: int, effort: int = 0
    ) -> npt.NDArray[np.int64]:
        """Rows of the database that are likely among the nearest.

        Args:
            queries: (n, dimension) float32.
            count: How many are wanted for each.
            effort: How hard to look; 0 for the index's own.

        Returns:
            (n, count) int64, -1 where fewer are found.
        """
        if self.index is None:
            return np.full((len(queries), count), NO_ROW, np.int64)
        parameters = self._parameters(effort or self.effort, count)
        _, found = self.index.search(queries, count, params=parameters)
        return np.where(found < 0, NO_ROW, self.row_of[found])

    def _parameters(self, effort: int, count: int) -> Any:
        faiss = library()
        kept = {}
        if (self.row_of < 0).any():
            kept["sel"] = faiss.IDSelectorBatch(np.flatnonzero(self.row_of >= 0))
        if isinstance(self.index, faiss.IndexIVF):
            return faiss.SearchParametersIVF(nprobe=effort, **kept)
        if isinstance(self.index, faiss.IndexHNSW):
            return faiss.SearchParametersHNSW(efSearch=max(effort, count), **kept)
        return faiss.SearchParameters(**kept) if kept else None
