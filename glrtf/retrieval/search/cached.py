"""Searches whose results are kept on disk."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from glrtf.config.search import SearchConfig
from glrtf.embeddings.rows import RowSource, groups_of
from glrtf.embeddings.subset_rows import SubsetRows
from glrtf.retrieval.growing import Growth
from glrtf.retrieval.search import backends
from glrtf.retrieval.search.neighbors import Neighbors
from glrtf.retrieval.stage_cache import StageCache


class CachedSearch:
    """Finds neighbours, or reads them from the cache.

    Args:
        config: The back end and its settings.
        cache: Where results are kept.
    """

    def __init__(self, config: SearchConfig, cache: StageCache) -> None:
        self._config = config
        self.cache = cache

    def neighbors(
        self, stage: str, queries: RowSource, database: RowSource, k: int, per_part: int = 0
    ) -> Neighbors:
        """The nearest rows of every query, memory-mapped.

        Queries whose neighbours an earlier run has found in the same database, before their
        set was changed, are not searched for again.

        Args:
            stage: What the step is called.
            queries: The queries.
            database: The rows to search.
            k: Number of neighbours wanted.
            per_part: If positive, that many from each part instead.
        """

        def blocks(of: RowSource = queries) -> Iterator[tuple[np.ndarray, ...]]:
            for found in self.blocks(stage.replace("_", " "), of, database, k, per_part):
                yield found.indices, found.scores

        k, per_part = _within(database, k, per_part)
        key = self.key(queries, database, k, per_part)
        growth = Growth(
            {name: value for name, value in key.items() if name != "queries"},
            groups_of(queries),
            lambda rows: blocks(SubsetRows(queries, rows)),
        )
        indices, scores = self.cache.arrays(stage, key, len(queries.ids), blocks, growth)
        return Neighbors(indices, scores)

    def blocks(
        self, description: str, queries: RowSource, database: RowSource, k: int, per_part: int = 0
    ) -> Iterator[Neighbors]:
        """The nearest rows, a few thousand queries at a time, not kept."""
        k, per_part = _within(database, k, per_part)
        return backends.search_blocks(
            queries, database, k, per_part, self._config, self.cache.folder, description
        )

    def key(
        self, queries: RowSource, database: RowSource, k: int, per_part: int = 0
    ) -> dict[str, Any]:
        """All that a search's result depends on."""
        k, per_part = _within(database, k, per_part)
        return {
            "queries": queries.digest,
            "database": database.digest,
            "k": 0 if per_part else k,
            "per_part": per_part,
            "search": backends.cache_key(self._config),
        }


def _within(database: RowSource, k: int, per_part: int) -> tuple[int, int]:
    """`k` and `per_part`, but no more than there are rows: missing ones would take memory, too."""
    longest = max(database.part_lengths, default=0)
    return min(k, max(sum(database.part_lengths), 1)), min(per_part, max(longest, 1))
