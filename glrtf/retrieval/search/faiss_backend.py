"""Approximate search with faiss: candidates from an index, their scores from the stored rows."""

from collections.abc import Iterator

import numpy as np

from glrtf.config.search import SearchConfig
from glrtf.embeddings.rows import RowSource
from glrtf.embeddings.subset_rows import SubsetRows
from glrtf.retrieval.search import exact, faiss_building, faiss_files, faiss_library
from glrtf.retrieval.search.faiss_index import FaissIndex
from glrtf.retrieval.search.neighbors import NO_ROW, Neighbors, best, merge, score_pairs

_QUERIES_AT_ONCE = 1024
_TUNED_FOR = 100


class FaissRows:
    """The rows of a database in faiss's indexes, opened when they are first searched.

    Args:
        database: The rows.
        config: Kind and size of the indexes, and the recall wanted.
        folder: Where indexes are kept.

    Raises:
        UserError: If faiss is not installed, or an index is damaged.
    """

    def __init__(self, database: RowSource, config: SearchConfig, folder: str) -> None:
        faiss_library.library()
        self._database, self._config, self._folder = database, config, folder
        self._indexes: dict[tuple[int, int, int], FaissIndex] = {}

    def search_blocks(self, queries: RowSource, k: int, per_part: int) -> Iterator[Neighbors]:
        """Like `exact.search_blocks`, but approximate.

        Args:
            queries: The queries.
            k: Number of neighbours wanted.
            per_part: If positive, that many from each part instead.
        """
        runs = [range(len(self._database.ids))]
        if per_part:
            ends = np.cumsum(self._database.part_lengths, dtype=np.int64).tolist()
            pairs = zip(ends, self._database.part_lengths, strict=True)
            runs = [range(end - length, end) for end, length in pairs]
        wanted = per_part or k
        indexes = [self._index_of(run, wanted) for run in runs]
        total = len(queries.ids)
        for start in range(0, total, _QUERIES_AT_ONCE):
            rows = np.arange(start, min(start + _QUERIES_AT_ONCE, total))
            found = [self._nearest(queries, rows, index, wanted) for index in indexes]
            yield merge(found, wanted * len(found) if per_part else k)

    def _index_of(self, run: range, wanted: int) -> FaissIndex:
        most = min(wanted, _TUNED_FOR)
        key = (run.start, run.stop, most)
        if key not in self._indexes:
            self._indexes[key] = faiss_files.open_index(
                self._database, run, self._config, self._folder, most
            )
        return self._indexes[key]

    def _nearest(
        self, queries: RowSource, rows: np.ndarray, index: FaissIndex, k: int
    ) -> Neighbors:
        """The nearest of one index's rows, by true score, ties by ascending row."""
        chosen = SubsetRows(queries, rows)
        found = []
        if index.index is not None:
            vectors = chosen.read(0, 0, len(rows))
            near = index.candidates(vectors, faiss_building.rescored(self._config, k))
            places, columns = np.nonzero(near != NO_ROW)
            scores = np.full(near.shape, -np.inf)
            scores[places, columns] = score_pairs(
                queries, self._database, rows[places], near[places, columns]
            )
            found.append(best(near, scores, k))
        if len(index.tail):
            behind = exact.search(chosen, SubsetRows(self._database, index.tail), k)
            numbers = np.where(behind.indices == NO_ROW, NO_ROW, index.tail[behind.indices])
            found.append(Neighbors(numbers, behind.scores))
        if not found:
            nothing = np.full((len(rows), k), NO_ROW, np.int64)
            return Neighbors(nothing, np.full(nothing.shape, -np.inf))
        return merge(found, k)
