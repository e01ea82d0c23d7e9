"""A database opened once for many small searches."""

from glrtf.config.retrieval import SearchConfig
from glrtf.embeddings.rows import ArrayRows, ConcatenatedRows, RowSource
from glrtf.retrieval.search import exact
from glrtf.retrieval.search.neighbors import Neighbors, stacked
from tfrecords_tools.errors import UserError

_HELD_BYTES = 2 << 30


class OpenedDatabase:
    """Rows that are searched again and again with few queries.

    Annoy's trees are built where they are not there yet, and mapped once. For
    exact search the rows are read and checked once and held in memory, where
    they take no more than 2 GiB.

    Args:
        database: The rows.
        config: The back end: exact, tensorflow or annoy.
        folder: Where Annoy's trees are kept.
    """

    def __init__(self, database: RowSource, config: SearchConfig, folder: str) -> None:
        self._database = database
        self._config = config
        if config.backend == "annoy":
            from glrtf.retrieval.search import annoy_backend

            self._trees = annoy_backend.open_indexes(database, config.annoy_trees, folder)
        elif (
            sum(database.part_lengths) * database.dimension * 4 <= _HELD_BYTES
            and database.rounding == 0
        ):
            self._database = _held(database)

    def nearest(self, queries: RowSource, k: int, per_part: int = 0) -> Neighbors:
        """As `exact.search`; with Annoy some neighbours may be missing.

        Raises:
            UserError: If the queries' rows have another dimension.
        """
        database, backend = self._database, self._config.backend
        if queries.dimension != database.dimension:
            raise UserError(
                f"{queries.name}: expected rows of dimension {database.dimension} as in "
                f"{database.name}, found {queries.dimension}; embed both with the same model"
            )
        if backend == "annoy":
            from glrtf.retrieval.search import annoy_backend

            nodes = self._config.annoy_search_nodes
            blocks = annoy_backend.search_opened(queries, database, self._trees, k, per_part, nodes)
            return stacked(list(blocks))
        if backend == "tensorflow":
            from glrtf.retrieval.search import tensorflow_backend

            return stacked(list(tensorflow_backend.search_blocks(queries, database, k, per_part)))
        return exact.search(queries, database, k, per_part)


def _held(database: RowSource) -> RowSource:
    """The same rows in memory, cut alike."""
    first = 0
    parts = []
    for part, length in enumerate(database.part_lengths):
        rows = database.read(part, 0, length)
        parts.append(ArrayRows(rows, database.name, database.ids[first : first + length]))
        first += length
    return ConcatenatedRows(parts)
