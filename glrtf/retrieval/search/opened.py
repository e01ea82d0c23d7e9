"""A database opened once for many small searches."""

import numpy as np

from glrtf.config.search import SearchConfig
from glrtf.embeddings.in_memory import InMemoryRows, in_memory
from glrtf.embeddings.rows import RowSource
from glrtf.retrieval.search import backends, few_queries
from glrtf.retrieval.search.neighbors import Neighbors, stacked

_MOST_BYTES = 2 << 30


class OpenedDatabase:
    """Rows that are searched again and again with few queries.

    Indexes of faiss and Annoy are built if they are missing, and mapped once. For the other back
    ends the rows are read and checked once and kept in memory, where they take no more
    than 2 GiB.

    Args:
        database: The rows.
        config: The back end and its settings.
        folder: Where faiss and Annoy keep their indexes.
    """

    def __init__(self, database: RowSource, config: SearchConfig, folder: str) -> None:
        if config.backend not in ("faiss", "annoy"):
            database = in_memory(database, _MOST_BYTES)
        self._in_memory: InMemoryRows | None = None
        # TensorFlow's back end multiplies on an accelerator.
        if config.backend == "exact" and isinstance(database, InMemoryRows):
            self._in_memory = database
        self._database = database
        self._search = backends.open_backend(database, config, folder)

    def nearest(self, queries: RowSource, k: int, per_part: int = 0) -> Neighbors:
        """As `exact.search`; with faiss and Annoy some neighbours may be missing.

        Raises:
            UserError: If the queries' rows have another dimension.
        """
        backends.require_same_dimension(queries, self._database)
        width = backends.width(self._database, k, per_part)
        rows = self._in_memory
        if rows is not None and few_queries.is_suited(queries, rows):
            return few_queries.search(queries, rows, k, per_part)
        nothing = Neighbors(np.empty((0, width), np.int64), np.empty((0, width)))
        return stacked([nothing, *self._search(queries, k, per_part)])
