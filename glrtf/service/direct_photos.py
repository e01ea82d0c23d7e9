"""The direct side of a ranking for single photos: steps 6 and 7, and re-ranking."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from glrtf.config.ranking import RankingSettings
from glrtf.config.search import SearchConfig
from glrtf.embeddings.concatenated_rows import ConcatenatedRows
from glrtf.embeddings.rows import RowSource
from glrtf.retrieval.direct import diffused, refined_scores
from glrtf.retrieval.rerank import dba, diffusion, superglobal
from glrtf.retrieval.search.cached import CachedSearch
from glrtf.retrieval.search.neighbors import NO_ROW, Neighbors, best, score_pairs
from glrtf.retrieval.search.opened import OpenedDatabase
from glrtf.retrieval.stage_cache import StageCache
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

Hidden = Callable[[npt.NDArray[np.int64]], npt.NDArray[np.bool_]]
"""From (photos, k) index rows to whether a search must ignore each."""


class DirectPhotos:
    """Each photo's nearest index photos, as if it were the only query of a retrieval.

    Photos of the same call do not affect each other. Everything that depends only on the index
    (augmented rows, the graph of diffusion) is computed once and kept on disk.

    Args:
        index: The index photos.
        ranking: The settings.
        search: How neighbours are found.
        folder: Where search indexes and neighbours within the index are cached.

    Raises:
        UserError: If single photos cannot be ranked with these settings.
    """

    def __init__(
        self, index: RowSource, ranking: RankingSettings, search: SearchConfig, folder: str
    ) -> None:
        if reason := ranking.impossible_for_photos:
            raise UserError(f"{reason}; use glrtf retrieve, or tune without it")
        self._stored, self._ranking = index, ranking
        self._opened = self._augmented_opened = OpenedDatabase(index, search, folder)
        cached = CachedSearch(search, StageCache(folder))
        self._index = index
        if ranking.augments_index:
            self._index = _augmented_index(index, ranking, cached)
            self._augmented_opened = OpenedDatabase(self._index, search, folder)
        self._graph: diffusion.Graph | None = None
        if ranking.rerank.method == "diffusion":
            k = ranking.rerank.graph_k
            among = cached.neighbors("index_neighbors", self._index, self._index, k)
            self._graph = diffusion.mutual_graph(among, ranking.rerank.gamma)

    def nearest(
        self, photos: RowSource, hidden: Hidden | None = None
    ) -> tuple[Neighbors, npt.NDArray[np.float64]]:
        """Each photo's nearest index photos and their direct confidences.

        Args:
            photos: The rows of the photos.
            hidden: The index rows that the search must ignore. They still contribute to augmented
                index rows.
        """
        ranking = self._ranking
        if ranking.augments_queries:
            photos = self._augmented(photos, hidden)
        if ranking.query_expansion.n:
            photos = self._expanded(photos, hidden)
        if ranking.rerank.method == "superglobal" and len(photos.ids):
            return self._refined(photos, hidden)
        near = self._search(self._augmented_opened, photos, ranking.fusion.direct_k, hidden)
        if self._graph is None or not len(near.indices):
            return near, np.clip(near.scores, 0, 1)
        reached, confidences = diffused(near, self._graph, ranking.rerank, len(self._stored.ids))
        return _without(reached, hidden), confidences

    def _refined(
        self, photos: RowSource, hidden: Hidden | None
    ) -> tuple[Neighbors, npt.NDArray[np.float64]]:
        """The nearest images in SuperGlobal's order, and their confidences."""
        settings, wanted = self._ranking.rerank, self._ranking.fusion.direct_k
        k = max(settings.top_m, wanted)
        near = self._few_nearest(self._augmented_opened, photos, k, hidden)
        among = near.head(settings.top_m)
        rows = range(len(near.indices))
        new = [refined_scores(photos, self._index, among, row, settings) for row in rows]
        return superglobal.reranked(near, np.concatenate(new), wanted)

    def _search(
        self, opened: OpenedDatabase, photos: RowSource, k: int, hidden: Hidden | None
    ) -> Neighbors:
        return _without(opened.nearest(photos, k), hidden)

    def _few_nearest(
        self, opened: OpenedDatabase, photos: RowSource, n: int, hidden: Hidden | None
    ) -> Neighbors:
        """The nearest images that are not hidden, as many as have a direct confidence."""
        if hidden is None:
            return opened.nearest(photos, n)
        near = self._search(opened, photos, max(n, self._ranking.fusion.direct_k), hidden)
        scores = np.where(near.indices == NO_ROW, -np.inf, near.scores)
        return best(near.indices, scores, n)

    def _augmented(self, photos: RowSource, hidden: Hidden | None) -> RowSource:
        """Step 6: averages each photo with its nearest rows of the index and of itself (last)."""
        settings = self._ranking.dba
        near = self._few_nearest(self._opened, photos, settings.n, hidden)
        rows = np.arange(len(photos.ids))
        own = score_pairs(photos, photos, rows, rows)
        among = best(
            np.concatenate([near.indices, rows[:, None] + len(self._stored.ids)], axis=1),
            np.concatenate([near.scores, own[:, None]], axis=1),
            settings.n,
        )
        return dba.augmented(
            ConcatenatedRows([self._stored, photos]),
            among,
            settings.alpha,
            ids=photos.ids,
            name=photos.name,
            digest="",
        )

    def _expanded(self, photos: RowSource, hidden: Hidden | None) -> RowSource:
        settings = self._ranking.query_expansion
        near = self._few_nearest(self._augmented_opened, photos, settings.n, hidden)
        return dba.expanded(photos, self._index, near, settings.alpha, digest="")


def _augmented_index(
    index: RowSource, ranking: RankingSettings, cached: CachedSearch
) -> dba.AveragedRows:
    settings = ranking.dba
    key = [cached.key(index, index, settings.n), settings.alpha]
    return dba.augmented(
        index,
        cached.neighbors("dba_index", index, index, settings.n),
        settings.alpha,
        ids=index.ids,
        name=f"{index.name} augmented",
        digest=files.json_digest(key),
        part_lengths=index.part_lengths,
    )


def _without(near: Neighbors, hidden: Hidden | None) -> Neighbors:
    if hidden is None:
        return near
    return Neighbors(np.where(hidden(near.indices), NO_ROW, near.indices), near.scores)
