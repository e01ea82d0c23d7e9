"""Approximate search with Annoy: trees built once, saved and memory-mapped."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.rows import RowSource
from glrtf.retrieval.search import index_files
from glrtf.retrieval.search.neighbors import NO_ROW, Neighbors, best, merge, score_pairs
from tfrecords_tools.errors import UserError
from tfrecords_tools.progress import Progress
from tfrecords_tools.storage import files

_QUERIES_AT_ONCE = 1024
_ROWS_AT_ONCE = 4096
_SEED = 20210831
BUILD = 2
"""The way trees are built: those of another way are not found again."""


class AnnoyIndex:
    """An Annoy index of some rows, on disk.

    Annoy splits by angle; its candidates are scored exactly, so what it finds
    has the true scores and order, only some neighbours may be missing.

    Args:
        path: The saved index.
        dimension: The length of its rows.

    Raises:
        UserError: If annoy is not installed or the file does not fit.
    """

    def __init__(self, path: str, dimension: int) -> None:
        self._index = _annoy().AnnoyIndex(dimension, "angular")
        index_files.refuse_damaged(path, "an Annoy index")
        try:
            self._index.load(path)
        except OSError as error:
            raise UserError(
                f"{path}: expected an Annoy index of dimension {dimension}, found {error}; "
                "delete it to have it built again"
            ) from None

    def candidates(
        self, query: npt.NDArray[np.float32], k: int, search_nodes: int
    ) -> npt.NDArray[np.int64]:
        """Rows that are likely among the k nearest.

        Args:
            query: (dimension,) float32.
            k: How many are wanted.
            search_nodes: How many nodes are inspected per neighbour and tree.
        """
        nodes = k * self._index.get_n_trees() * search_nodes
        return np.array(self._index.get_nns_by_vector(query, k, search_k=nodes), np.int64)


def build(path: str, database: RowSource, part: int, trees: int) -> None:
    """Builds the index of one part, whole or not at all; the same rows give the same bytes.

    With several threads each would draw from a seed of its own, and their trees would stand in
    the order in which they are ready: files and neighbours would depend on the processors.

    Args:
        path: Where to save it.
        database: The rows.
        part: Which part of them.
        trees: How many trees.
    """
    index = _annoy().AnnoyIndex(database.dimension, "angular")
    index.set_seed(_SEED)
    length = database.part_lengths[part]
    with Progress(f"annoy part {part}", length, "row") as progress:
        for start in range(0, length, _ROWS_AT_ONCE):
            block = database.read(part, start, min(start + _ROWS_AT_ONCE, length))
            for row, vector in enumerate(block, start):
                index.add_item(row, vector)
            progress.update(len(block))
    index.build(trees, n_jobs=1)
    index_files.write(path, index.save)


def search_blocks(
    queries: RowSource,
    database: RowSource,
    indexes: Sequence[AnnoyIndex | None],
    k: int,
    per_part: int,
    search_nodes: int,
) -> Iterator[Neighbors]:
    """Like `exact.search_blocks`, but approximate.

    Args:
        queries: The queries.
        database: The rows to search.
        indexes: What `open_indexes` gave for them.
        k: Number of neighbours wanted.
        per_part: If positive, that many from each part instead.
        search_nodes: How many nodes are inspected per neighbour and tree.
    """
    for part, length in enumerate(queries.part_lengths):
        for start in range(0, length, _QUERIES_AT_ONCE):
            stop = min(start + _QUERIES_AT_ONCE, length)
            vectors = queries.read(part, start, stop)
            query_rows = sum(queries.part_lengths[:part]) + np.arange(start, stop)
            found = []
            for number, index in enumerate(indexes):
                first = sum(database.part_lengths[:number])
                near = _candidates(index, vectors, per_part or k, search_nodes)
                near[near != NO_ROW] += first
                found.append(_scored(queries, database, query_rows, near, per_part or k))
            yield merge(found, per_part * len(found) if per_part else k)


def _candidates(
    index: AnnoyIndex | None, vectors: npt.NDArray[np.float32], k: int, search_nodes: int
) -> npt.NDArray[np.int64]:
    """(queries, k) likely rows of one part, -1 if fewer are found."""
    rows = np.full((len(vectors), k), NO_ROW, np.int64)
    if index is not None:
        for number, vector in enumerate(vectors):
            near = index.candidates(vector, k, search_nodes)
            rows[number, : len(near)] = near
    return rows


def _scored(
    queries: RowSource,
    database: RowSource,
    query_rows: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    k: int,
) -> Neighbors:
    """Candidates with their true scores, in order."""
    places, columns = np.nonzero(rows != NO_ROW)
    scores = np.full(rows.shape, -np.inf)
    scores[places, columns] = score_pairs(
        queries, database, query_rows[places], rows[places, columns]
    )
    return best(rows, scores, k)


def open_indexes(database: RowSource, trees: int, folder: str) -> list[AnnoyIndex | None]:
    """Maps the indexes of a database, one a part, None if it is empty; builds missing ones."""
    indexes: list[AnnoyIndex | None] = []
    for part, length in enumerate(database.part_lengths):
        if length == 0:
            indexes.append(None)
            continue
        path = files.join(folder, f"{database.digest[:16]}-{BUILD}-{trees}-{part:05d}.annoy")
        if not index_files.exists(path):
            build(path, database, part, trees)
        indexes.append(AnnoyIndex(path, database.dimension))
    return indexes


def _annoy() -> Any:
    try:
        import annoy
    except ImportError:
        raise UserError(
            "--search.backend annoy: expected the annoy package, found none; install it with "
            "pip install annoy (it compiles: a C++ compiler and Python's headers are needed), "
            "or choose --search.backend exact"
        ) from None
    return annoy
