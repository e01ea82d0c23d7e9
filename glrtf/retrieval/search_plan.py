"""What a retrieval takes, known before it begins: searches, memory and disk space."""

import dataclasses
from collections.abc import Iterator

from glrtf.config.ranking import PUBLISHED_PARTS
from glrtf.config.retrieval import RetrieveConfig
from glrtf.retrieval.inputs import Inputs

_BASE = 200_000_000
"""Bytes of the process, and of a search that is in progress."""
_PER_TRAIN_IMAGE = 100
"""Bytes: ids, order and landmark, and temporary arrays while they are read and sorted."""
_PER_IMAGE = 400
"""Bytes for each query and index image: ids, landmarks, and lists by landmark."""
_PER_RANKED = 100
"""Bytes for each ranked image of each query."""


@dataclasses.dataclass(frozen=True)
class Search:
    """A search among rows.

    Attributes:
        queries: Number of queries.
        rows: Number of rows that are searched.
        width: Number of neighbours of each query, of those that are kept.
    """

    queries: int
    rows: int
    width: int


@dataclasses.dataclass(frozen=True)
class SearchPlan:
    """What a retrieval takes, if nothing is cached yet.

    Attributes:
        counts: Number of images by role.
        dimension: Length of a row.
        operations: Floating-point operations of the products of exact searches.
        memory: Estimated resident bytes, without pages of mapped files.
        cache: Bytes of the results that are kept on disk.
    """

    counts: dict[str, int]
    dimension: int
    operations: int
    memory: int
    cache: int

    def as_line(self) -> str:
        """The plan for a terminal."""
        images = ", ".join(f"{count:,} {role}" for role, count in self.counts.items())
        return (
            f"{images} images, rows of {self.dimension} numbers: exact products take"
            f" {self.operations / 1e9:,.0f} GFLOP; about {self.memory / 1e6:,.0f} MB of memory"
            f" without mapped files, {self.cache / 1e6:,.0f} MB of cache"
        )


def plan(config: RetrieveConfig, inputs: Inputs) -> SearchPlan:
    """Plans a retrieval from the numbers of its rows.

    Args:
        config: The settings.
        inputs: The opened inputs.
    """
    query, index = len(inputs.query.ids), len(inputs.index.ids)
    counts = {"query": query, "index": index}
    if config.needs_train:
        counts["train"] = len(inputs.train.ids)
    searches = list(_searches(config, query, index, counts.get("train", 0)))
    cache = sum(16 * one.queries * one.width for one in searches)
    memory = _BASE + _PER_IMAGE * (query + index) + _PER_RANKED * query * config.fusion.limit
    train, dimension = counts.get("train", 0), inputs.query.dimension
    memory += _PER_TRAIN_IMAGE * train
    if config.bridged:
        cache += 16 * (query + index) * config.landmark.keep
        if not config.non_landmark_scores and inputs.non_landmark is not None:
            counts["non-landmark"] = len(inputs.non_landmark.ids)
            searches.append(Search(train, counts["non-landmark"], 0))
            cache += 8 * train
            # Chosen by a table, they are copied to memory in float64.
            memory += 8 * dimension * counts["non-landmark"] * bool(config.non_landmark_solution)
    operations = sum(2 * dimension * one.queries * one.rows for one in searches)
    return SearchPlan(counts, dimension, operations, memory, cache)


def _searches(config: RetrieveConfig, query: int, index: int, train: int) -> Iterator[Search]:
    """The searches whose neighbours are kept."""
    images, rerank = query + index, config.rerank
    if config.augments_queries:
        yield Search(query, images, min(config.dba.n, images))
    if config.augments_index:
        yield Search(index, images, min(config.dba.n, images))
    if config.query_expansion.n:
        yield Search(query, index, min(config.query_expansion.n, index))
    direct = config.fusion.direct_k
    if rerank.method == "superglobal":
        direct = max(rerank.top_m, direct)
    yield Search(query, index, min(direct, index))
    if rerank.method == "k_reciprocal":
        yield Search(images, images, min(rerank.k1, images))
    if rerank.method == "diffusion":
        yield Search(index, index, min(rerank.graph_k, index))
    if config.needs_train:
        near = config.train_neighbors
        yield Search(images, train, PUBLISHED_PARTS * near.per_part or min(near.k, train))
