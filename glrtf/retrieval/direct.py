"""The direct side of a ranking: steps 6 and 7, and optional re-ranking."""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from glrtf.config.reranking import RerankConfig
from glrtf.config.retrieval import RetrieveConfig
from glrtf.embeddings.concatenated_rows import ConcatenatedRows
from glrtf.embeddings.rows import RowSource, gather_rows
from glrtf.embeddings.subset_rows import SubsetRows
from glrtf.retrieval.bridging.landmark_confidence import LandmarkConfidences
from glrtf.retrieval.inputs import Inputs
from glrtf.retrieval.rerank import dba, diffusion, k_reciprocal, label_votes, superglobal
from glrtf.retrieval.search.cached import CachedSearch
from glrtf.retrieval.search.neighbors import Neighbors, best
from tfrecords_tools.progress import Progress
from tfrecords_tools.storage import files

_QUERIES_A_BLOCK = 64


class DirectSide:
    """Each query's nearest index images, and their confidences.

    Args:
        config: The settings.
        inputs: What is read.
        search: Finds neighbours.
    """

    def __init__(self, config: RetrieveConfig, inputs: Inputs, search: CachedSearch) -> None:
        self._config = config
        self._inputs = inputs
        self._search = search

    def rows(self, queries: npt.NDArray[np.int64] | None = None) -> tuple[RowSource, RowSource]:
        """Step 6: queries and index, each augmented and the queries expanded as set.

        Args:
            queries: The query rows wanted, in this order; None takes all.
        """
        query: RowSource = self._inputs.query
        index: RowSource = self._inputs.index
        if self._config.augments_queries:
            query = self._augmented(query, "test")
        if self._config.augments_index:
            index = self._augmented(index, "index")
        if queries is not None:
            query = self._inputs.kept(SubsetRows(query, queries))
        if self._config.query_expansion.n:
            query = self._expanded(query, index)
        return query, index

    def confidences(
        self, queries: npt.NDArray[np.int64] | None = None
    ) -> tuple[Neighbors, npt.NDArray[np.float64]]:
        """Step 7: each query's nearest index images and their direct confidences.

        Args:
            queries: The query rows wanted, in this order; None takes all.
        """
        if queries is not None and self._config.rerank.method in ("k_reciprocal", "diffusion"):
            # Re-ranking a query depends on the other queries.
            near, confidences = self.confidences()
            return Neighbors(near.indices[queries], near.scores[queries]), confidences[queries]
        query, index = self.rows(queries)
        if self._config.rerank.method == "superglobal":
            return self._refined(query, index)
        near = self._search.neighbors(
            "direct_neighbors", query, index, self._config.fusion.direct_k
        )
        if self._config.rerank.method == "k_reciprocal":
            return near, self._k_reciprocal(query, index, near)
        if self._config.rerank.method == "diffusion":
            return self._diffused(query, index, near)
        return near, np.clip(near.scores, 0, 1)

    def voted(
        self,
        direct: npt.NDArray[np.float64],
        images: npt.NDArray[np.int64],
        in_query: LandmarkConfidences,
        in_index: LandmarkConfidences,
    ) -> npt.NDArray[np.float64]:
        """Label re-ranking: direct confidence + weight · landmark vote."""
        weight = self._config.label_vote_weight
        if weight == 0:
            return direct
        return direct + weight * label_votes.votes(in_query, in_index, images)

    def _augmented(self, rows: RowSource, split: str) -> RowSource:
        images, settings = self._inputs.images, self._config.dba
        made = dba.augmented(
            images,
            self._search.neighbors(f"dba_{split}", rows, images, settings.n),
            settings.alpha,
            ids=rows.ids,
            name=f"{rows.name} augmented",
            digest=files.json_digest([self._search.key(rows, images, settings.n), settings.alpha]),
            part_lengths=rows.part_lengths,
        )
        return self._inputs.kept(made)

    def _expanded(self, query: RowSource, index: RowSource) -> RowSource:
        settings = self._config.query_expansion
        near = self._search.neighbors("query_expansion", query, index, settings.n)
        key = [self._search.key(query, index, settings.n), "expansion", settings.alpha]
        made = dba.expanded(query, index, near, settings.alpha, digest=files.json_digest(key))
        return self._inputs.kept(made)

    def _k_reciprocal(
        self, query: RowSource, index: RowSource, near: Neighbors
    ) -> npt.NDArray[np.float64]:
        """λ·s + (1 - λ)·Jaccard similarity, over the same images."""
        settings = self._config.rerank
        images = ConcatenatedRows([index, query])
        among = self._search.neighbors("reciprocal_neighbors", images, images, settings.k1)
        described = k_reciprocal.describe(among, settings.k1, settings.k2)
        result = np.zeros(near.indices.shape)
        with Progress("k-reciprocal", len(result), "image") as progress:
            for row, nearest in enumerate(near.indices):
                valid = nearest >= 0
                result[row, valid] = k_reciprocal.jaccard_similarities(
                    described, len(index.ids) + row, nearest[valid]
                )
                progress.update()
        mixed = settings.share * np.array(near.scores) + (1 - settings.share) * result
        return np.clip(mixed, 0, 1)

    def _refined(
        self, query: RowSource, index: RowSource
    ) -> tuple[Neighbors, npt.NDArray[np.float64]]:
        """SuperGlobal's order of the nearest images, and their confidences."""
        settings, wanted = self._config.rerank, self._config.fusion.direct_k
        k = max(settings.top_m, wanted)
        near = self._search.neighbors("direct_neighbors", query, index, k)
        among = near.head(settings.top_m)

        def blocks() -> Iterator[tuple[np.ndarray, ...]]:
            with Progress("superglobal", len(among.indices), "image") as progress:
                for row in range(len(among.indices)):
                    yield (refined_scores(query, index, among, row, settings),)
                    progress.update()

        key = {
            "neighbors": self._search.key(query, index, k),
            "settings": [settings.top_m, settings.refine_k, settings.beta],
        }
        (new,) = self._search.cache.arrays("superglobal", key, len(near.indices), blocks)
        return superglobal.reranked(near, new, wanted)

    def _diffused(
        self, query: RowSource, index: RowSource, near: Neighbors
    ) -> tuple[Neighbors, npt.NDArray[np.float64]]:
        """The images that diffusion reaches best; each query's best one keeps its confidence."""
        settings = self._config.rerank
        among = self._search.neighbors("index_neighbors", index, index, settings.graph_k)
        graph = diffusion.mutual_graph(among, settings.gamma)
        with Progress("diffusion", len(near.indices), "image") as progress:
            return diffused(near, graph, settings, len(index.ids), progress.update)


def refined_scores(
    query: RowSource, index: RowSource, among: Neighbors, row: int, settings: RerankConfig
) -> npt.NDArray[np.float64]:
    """SuperGlobal's scores of one query's nearest images, (1, m) float64; -inf for none.

    Args:
        query: The queries.
        index: The index images.
        among: The queries' nearest index images.
        row: Which query.
        settings: The parameters.
    """
    nearest = among.indices[row]
    scores = np.full((1, len(nearest)), -np.inf)
    valid = nearest >= 0
    own = gather_rows(query, np.array([row]))[0]
    images = gather_rows(index, np.asarray(nearest[valid]))
    scores[0, valid] = superglobal.scores(own, images, settings.refine_k, settings.beta)
    return scores


def diffused(
    near: Neighbors,
    graph: diffusion.Graph,
    settings: RerankConfig,
    images: int,
    advance: Callable[[int], object] = lambda count: None,
) -> tuple[Neighbors, npt.NDArray[np.float64]]:
    """The images that diffusion reaches best; each query's best one keeps its confidence.

    Args:
        near: The queries' nearest index images.
        graph: The index images' neighbourhoods.
        settings: The parameters.
        images: How many index images there are.
        advance: Is given the number of queries that are done.
    """
    found: list[Neighbors] = []
    for chunk in _blocks_of(near, _QUERIES_A_BLOCK):
        starts = diffusion.sources(chunk.head(settings.start_k), images, settings.gamma)
        reached = diffusion.diffuse(graph, starts, settings.alpha, settings.steps).T
        rows = np.broadcast_to(np.arange(reached.shape[1]), reached.shape)
        ranked = best(rows, np.where(reached > 0, reached, -np.inf), near.k)
        found.append(_without_rest(ranked))
        advance(len(chunk.indices))
    indices = np.concatenate([one.indices for one in found])
    scores = np.concatenate([one.scores for one in found])
    top = np.maximum(scores[:, :1], np.finfo(np.float64).tiny)
    confidences = np.where(indices >= 0, scores / top, 0) * np.clip(near.scores[:, :1], 0, 1)
    return Neighbors(indices, scores), confidences


def _blocks_of(near: Neighbors, rows: int) -> Iterator[Neighbors]:
    for start in range(0, len(near.indices), rows):
        block = slice(start, start + rows)
        yield Neighbors(np.array(near.indices[block]), np.array(near.scores[block]))


def _without_rest(ranked: Neighbors) -> Neighbors:
    """Replaces images that nothing reached by -1."""
    return Neighbors(np.where(np.isneginf(ranked.scores), -1, ranked.indices), ranked.scores)
