"""One signature for all back ends: rows in, neighbours out."""

from collections.abc import Callable, Iterator
from typing import Any

from glrtf.config.search import SearchConfig
from glrtf.embeddings.rows import RowSource
from glrtf.retrieval.search import exact
from glrtf.retrieval.search.neighbors import Neighbors
from tfrecords_tools.errors import UserError
from tfrecords_tools.progress import Progress

BlockSearch = Callable[[RowSource, int, int], Iterator[Neighbors]]
"""``search(queries, k, per_part)``: the neighbours in a database that was opened for it."""


def search_blocks(
    queries: RowSource,
    database: RowSource,
    k: int,
    per_part: int,
    config: SearchConfig,
    folder: str,
    description: str,
) -> Iterator[Neighbors]:
    """Finds every query's neighbours, a few thousand queries at a time, in order.

    Args:
        queries: The queries.
        database: The rows to search.
        k: Number of neighbours wanted.
        per_part: If positive, that many from each part instead.
        config: The back end and its settings.
        folder: Where a back end may keep its index.
        description: What the progress bar is called.

    Raises:
        UserError: If the two differ in dimension, the back end's library is
            missing, or a row is bad.
    """
    require_same_dimension(queries, database)
    blocks = open_backend(database, config, folder)(queries, k, per_part)
    with Progress(description, sum(queries.part_lengths), "row") as progress:
        for block in blocks:
            yield block
            progress.update(len(block.indices))


def open_backend(database: RowSource, config: SearchConfig, folder: str) -> BlockSearch:
    """Opens a database for its back end; faiss's and Annoy's indexes are built and mapped.

    Args:
        database: The rows to search.
        config: The back end and its settings.
        folder: Where a back end may keep its index.

    Returns:
        The search: queries, k and per_part to blocks of neighbours, as `search_blocks`.

    Raises:
        UserError: If the back end's library is missing.
    """
    if config.backend == "annoy":
        from glrtf.retrieval.search import annoy_backend

        indexes = annoy_backend.open_indexes(database, config.annoy_trees, folder)
        nodes = config.annoy_search_nodes
        return lambda queries, k, per_part: annoy_backend.search_blocks(
            queries, database, indexes, k, per_part, nodes
        )
    if config.backend == "faiss":
        from glrtf.retrieval.search.faiss_backend import FaissRows

        return FaissRows(database, config, folder).search_blocks
    if config.backend == "beam":
        from glrtf.retrieval.search import beam_backend

        options = config.beam_options
        return lambda queries, k, per_part: beam_backend.search_blocks(
            queries, database, k, per_part, options, folder
        )
    if config.backend == "tensorflow":
        from glrtf.retrieval.search import tensorflow_backend

        return lambda queries, k, per_part: tensorflow_backend.search_blocks(
            queries, database, k, per_part
        )
    return lambda queries, k, per_part: exact.search_blocks(queries, database, k, per_part)


def require_same_dimension(queries: RowSource, database: RowSource) -> None:
    """Checks that both were embedded alike.

    Raises:
        UserError: If the two differ in dimension.
    """
    if queries.dimension != database.dimension:
        raise UserError(
            f"{queries.name}: expected rows of dimension {database.dimension} as in "
            f"{database.name}, found {queries.dimension}; embed both with the same models"
        )


def width(database: RowSource, k: int, per_part: int) -> int:
    """How many neighbours a query gets."""
    return per_part * len(database.part_lengths) if per_part else k


def cache_key(config: SearchConfig) -> dict[str, Any]:
    """What of the settings the neighbours depend on: exact back ends agree."""
    if config.backend == "annoy":
        from glrtf.retrieval.search import annoy_backend

        return {
            "trees": config.annoy_trees,
            "search_nodes": config.annoy_search_nodes,
            "build": annoy_backend.BUILD,
        }
    if config.backend == "faiss":
        from glrtf.retrieval.search import faiss_files

        names = ("kind", "code", "lists", "links", "effort", "recall", "rescored")
        settings = {name: getattr(config, f"faiss_{name}") for name in names}
        return {"faiss": settings, "build": faiss_files.BUILD}
    return {}
