"""From embedding sets to a ranking: the steps, in order."""

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from glrtf.config.retrieval import RetrieveConfig
from glrtf.retrieval import ranking
from glrtf.retrieval.bridging import non_landmark
from glrtf.retrieval.bridging.fusion import Ranking
from glrtf.retrieval.bridging.landmark_confidence import NO_LANDMARK, LandmarkConfidences
from glrtf.retrieval.direct import DirectSide
from glrtf.retrieval.inputs import Inputs
from glrtf.retrieval.ranking import TrainLandmarks
from glrtf.retrieval.rerank import two_step
from glrtf.retrieval.rerank.pair_scores import PairScores
from glrtf.retrieval.rerank.verification import Verification, Verifier
from glrtf.retrieval.search.cached import CachedSearch
from glrtf.retrieval.search.neighbors import Neighbors
from glrtf.retrieval.stage_cache import StageCache


class Pipeline:
    """The steps of a retrieval over one configuration, their results kept on disk.

    Args:
        config: The settings.
        cache: Where the steps' results are kept.
        inputs: What is read; None opens what the settings name.
        verifier: What scores the first images, at last; None for none.

    Attributes:
        inputs: What is read.
        notes: What the user should know of the run.
    """

    def __init__(
        self,
        config: RetrieveConfig,
        cache: StageCache,
        inputs: Inputs | None = None,
        verifier: Verifier | None = None,
    ) -> None:
        self._config = config
        self._cache = cache
        self.inputs = inputs or Inputs(config)
        self._search = CachedSearch(config.search, cache)
        self._verifier = verifier
        self._direct = DirectSide(config, self.inputs, self._search)
        self.notes: list[str] = []

    def rank(self, queries: npt.NDArray[np.int64] | None = None) -> Ranking:
        """Ranks the index images: all the steps.

        Args:
            queries: The query rows to rank for; None takes all.

        Returns:
            The ranking, one row a query, in the given order.
        """
        nearest, confidences = self._direct.confidences(queries)
        if self._config.bridged:
            in_index, in_query = self.landmark_confidences()
        else:
            in_index, in_query = (
                _no_landmarks(len(rows.ids)) for rows in (self.inputs.index, self.inputs.query)
            )
        if queries is not None:
            in_query = LandmarkConfidences(
                in_query.landmarks[queries], in_query.confidences[queries]
            )
        confidences = self._direct.voted(confidences, nearest.indices, in_query, in_index)
        found = ranking.rank(
            nearest, confidences, in_query, in_index, self.inputs.id_ranks, self._config.fusion
        )
        return self._verified(self._by_landmark(found, queries), queries)

    def train_neighbors(self) -> Neighbors:
        """Step 2: the nearest train images of index and test images, the index first."""
        return self._search.neighbors(
            "train_neighbors", self.inputs.images, self.inputs.train, **self._wanted_of_train()
        )

    def non_landmark_similarities(self) -> npt.NDArray[np.float64]:
        """Step 3: n(t) of each train image; 1, which changes nothing, when none are given."""
        given = self.inputs.non_landmark_scores
        if given is not None:
            return given
        train, images = self.inputs.train, self.inputs.non_landmark
        if images is None:
            self.notes.append(
                "no non-landmark images given: no train neighbour is penalised; see --non_landmark"
            )
            return np.ones(len(train.ids))
        k = self._config.landmark.non_landmark_neighbors

        def blocks() -> Iterator[tuple[np.ndarray, ...]]:
            for found in self._search.blocks("non-landmark", train, images, k):
                yield (non_landmark.confidences(found),)

        key = self._search.key(train, images, k)
        (scores,) = self._cache.arrays("non_landmark", key, len(train.ids), blocks)
        return scores

    def landmark_confidences(self) -> tuple[LandmarkConfidences, LandmarkConfidences]:
        """Steps 2 to 4: the landmarks of index and test images."""
        near = self.train_neighbors()
        train = TrainLandmarks(*self.inputs.train_landmarks, self.non_landmark_similarities())
        images = len(near.indices)

        def blocks() -> Iterator[tuple[np.ndarray, ...]]:
            settings = self._config.landmark
            for kept in ranking.landmark_blocks(near, train, settings):
                yield kept.landmarks, kept.confidences

        marks, confidences = self._cache.arrays(
            "landmark_confidences", self._landmark_key(), images, blocks
        )
        cut = len(self.inputs.index.ids)
        return (
            LandmarkConfidences(np.array(marks[:cut]), np.array(confidences[:cut])),
            LandmarkConfidences(np.array(marks[cut:]), np.array(confidences[cut:])),
        )

    def _by_landmark(self, found: Ranking, queries: npt.NDArray[np.int64] | None) -> Ranking:
        """Re-ranks by predicted landmarks, where that is on."""
        settings = self._config.landmark_rerank
        if settings.steps == "none":
            return found
        known, codes = self.inputs.train_landmarks
        of_images = two_step.predicted(self.train_neighbors(), known[codes], settings.k)
        cut = len(self.inputs.index.ids)
        of_index, of_queries = (
            two_step.Predicted(of_images.landmarks[part], of_images.scores[part])
            for part in (slice(cut), slice(cut, None))
        )
        if queries is not None:
            of_queries = two_step.Predicted(
                of_queries.landmarks[queries], of_queries.scores[queries]
            )
        images = two_step.ImagesOfLandmarks(of_index, self.inputs.id_ranks)
        insert = settings.steps == "sort_insert"
        return two_step.reranked(found, of_queries, images, settings.threshold, insert=insert)

    def _verified(self, found: Ranking, queries: npt.NDArray[np.int64] | None) -> Ranking:
        """Orders the first images by the verifier's scores, where one is given."""
        if self._verifier is None:
            return found
        began = time.monotonic()
        query, index = self.inputs.query, self.inputs.index
        key = {"query": query.digest, "index": index.digest, **self._verifier.key}
        known = PairScores(self._cache.folder, key)
        verification = Verification(self._verifier, known, query.ids, index.ids)
        rows = np.arange(len(query.ids)) if queries is None else queries
        result = verification.reranked(found, rows)
        took = time.monotonic() - began
        self._cache.add_seconds("verification", took, verification.saved)
        return result

    def _wanted_of_train(self) -> dict[str, int]:
        wanted = self._config.train_neighbors
        return {"k": wanted.k, "per_part": wanted.per_part}

    def _landmark_key(self) -> dict[str, Any]:
        inputs, settings = self.inputs, self._config.landmark
        near = self._search.key(inputs.images, inputs.train, **self._wanted_of_train())
        return {
            "neighbors": near,
            "non_landmark": inputs.non_landmark_digest,
            "landmarks": inputs.landmarks_digest,
            "settings": dataclasses.asdict(settings),
        }


def _no_landmarks(images: int) -> LandmarkConfidences:
    return LandmarkConfidences(
        np.full((images, 1), NO_LANDMARK, np.int64), np.full((images, 1), -np.inf)
    )
