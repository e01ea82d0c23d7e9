"""From embedding sets to a ranking: the steps, in order."""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from glrtf.config.retrieval import RetrieveConfig
from glrtf.embedding_rows import ArrayRows, ConcatenatedRows, RowSource, join
from glrtf.embedding_set import EmbeddingSet
from glrtf.retrieval import dba, fusion, landmarks, non_landmark, search
from glrtf.retrieval.bridge import best_bridges, bridges_of_pairs, list_by_landmark
from glrtf.retrieval.fusion import Ranking
from glrtf.retrieval.landmarks import LandmarkConfidences
from glrtf.retrieval.neighbors import NO_ROW, Neighbors, gather_rows
from glrtf.retrieval.stage_cache import StageCache, digest_of
from tfrecords_tools import files
from tfrecords_tools.errors import UserError
from tfrecords_tools.progress import Progress

_IMAGES_A_BLOCK = 4096
_QUERIES_A_BLOCK = 1024


@dataclasses.dataclass(frozen=True)
class _Found:
    """Neighbours and what they were computed from."""

    neighbors: Neighbors
    key: dict[str, Any]


class Pipeline:
    """The steps of a retrieval over one configuration, their results kept on disk.

    Args:
        config: The settings.
        cache: Where the steps' results are kept.
    """

    def __init__(self, config: RetrieveConfig, cache: StageCache) -> None:
        self._config = config
        self._cache = cache
        self.inputs: dict[str, str] = {}
        self.notes: list[str] = []
        self.query = self._open("query", config.query)
        self.index = self._open("index", config.index)
        self.images = ConcatenatedRows([self.index, self.query])
        self._id_ranks = np.argsort(np.argsort(self.index.ids))

    @property
    def counts(self) -> dict[str, int]:
        """How many images are asked and ranked."""
        return {"queries": len(self.query.ids), "index_images": len(self.index.ids)}

    def rank(self) -> Ranking:
        """Ranks the index images for every query: all the steps."""
        nearest = self.direct_neighbors()
        if self._config.bridged:
            in_index, in_query = self.landmark_confidences()
        else:
            in_index, in_query = (
                _no_landmarks(sum(rows.part_lengths)) for rows in (self.index, self.query)
            )
        return self._fuse(nearest, in_query, in_index)

    def landmark_confidences(self) -> tuple[LandmarkConfidences, LandmarkConfidences]:
        """Steps 2 to 4: the landmarks of index and test images."""
        config, settings = self._config, self._config.landmark
        train = self._open("train", config.train)
        assert config.landmarks is not None
        near = self._train_neighbors(train)
        unlikeness, unlikeness_key = self._non_landmark(train)
        marks_of_train = landmarks.read_landmarks(config.landmarks, train)
        images = len(near.neighbors.indices)

        def blocks() -> Iterator[tuple[np.ndarray, ...]]:
            with Progress("landmark confidence", images, "image") as progress:
                for start in range(0, images, _IMAGES_A_BLOCK):
                    rows = near.neighbors.indices[start : start + _IMAGES_A_BLOCK]
                    there = rows != NO_ROW
                    distances = non_landmark.penalized_distances(
                        near.neighbors.scores[start : start + _IMAGES_A_BLOCK],
                        unlikeness[rows],
                        settings.non_landmark_weight,
                    )
                    kept = landmarks.landmark_confidences(
                        np.where(there, marks_of_train[rows], landmarks.NO_LANDMARK),
                        distances,
                        per_landmark=settings.per_landmark,
                        best_bonus=settings.best_bonus,
                        keep=settings.keep,
                        mean=settings.aggregate == "mean",
                    )
                    progress.update(len(rows))
                    yield kept.landmarks, kept.confidences

        key = {
            "neighbors": near.key,
            "non_landmark": unlikeness_key,
            "landmarks": files.sha256(config.landmarks),
            "settings": dataclasses.asdict(settings),
        }
        marks, sure = self._cache.arrays("landmark_confidences", key, images, blocks)
        cut = sum(self.index.part_lengths)
        return (
            LandmarkConfidences(np.array(marks[:cut]), np.array(sure[:cut])),
            LandmarkConfidences(np.array(marks[cut:]), np.array(sure[cut:])),
        )

    def direct_neighbors(self) -> Neighbors:
        """Steps 6 and 7: each augmented query's nearest index images."""
        query, index = self._augmented()
        return self._neighbors("direct_neighbors", query, index, self._config.fusion.direct_k)

    def _train_neighbors(self, train: RowSource) -> _Found:
        """Step 2: the nearest train images of index and test images."""
        wanted = self._config.train_neighbors
        key = self._key(self.images, train, wanted.k, wanted.per_part)
        found = self._neighbors("train_neighbors", self.images, train, wanted.k, wanted.per_part)
        return _Found(found, key)

    def _non_landmark(self, train: RowSource) -> tuple[npt.NDArray[np.float64], Any]:
        """Step 3: how much each train image looks like no landmark."""
        config = self._config
        if config.non_landmark_scores:
            scores = non_landmark.read_scores(config.non_landmark_scores, train)
            return scores, files.sha256(config.non_landmark_scores)
        images = self._non_landmark_images()
        if images is None:
            self.notes.append(
                "no non-landmark images given: no train neighbour is penalised; see --non_landmark"
            )
            return np.ones(sum(train.part_lengths)), None
        k = config.landmark.non_landmark_neighbors
        key = self._key(train, images, k, 0)

        def blocks() -> Iterator[tuple[np.ndarray, ...]]:
            for found in self._search(train, images, k, 0, "non-landmark"):
                yield (non_landmark.confidences(found),)

        (scores,) = self._cache.arrays("non_landmark", key, sum(train.part_lengths), blocks)
        return scores, key

    def _non_landmark_images(self) -> RowSource | None:
        config = self._config
        images: RowSource = self.query
        if config.non_landmark:
            images = self._open("non_landmark", config.non_landmark)
        elif not config.non_landmark_solution:
            return None
        if not config.non_landmark_solution:
            return images
        rows = non_landmark.rows_without_landmark(config.non_landmark_solution, images)
        return ArrayRows(gather_rows(images, rows), images.name, images.ids[rows])

    def _augmented(self) -> tuple[RowSource, RowSource]:
        """Step 6: queries and index, either replaced by its augmentation."""
        rows = self._config.dba_rows
        query, index = self.query, self.index
        return (
            self._augment(query, "test") if rows in ("test", "both") else query,
            self._augment(index, "index") if rows in ("index", "both") else index,
        )

    def _augment(self, rows: RowSource, split: str) -> RowSource:
        settings = self._config.dba
        found = self._neighbors(f"dba_{split}", rows, self.images, settings.n)
        key = [self._key(rows, self.images, settings.n, 0), settings.alpha]
        return dba.augmented(
            self.images,
            found,
            settings.alpha,
            ids=rows.ids,
            name=f"{rows.name} augmented",
            digest=digest_of(key),
            part_lengths=rows.part_lengths,
        )

    def _fuse(
        self, nearest: Neighbors, query: LandmarkConfidences, index: LandmarkConfidences
    ) -> Ranking:
        """Steps 5 and 8: bridges, and the final order."""
        settings = self._config.fusion
        surest_first = settings.tie_break == "bridge"
        lists = list_by_landmark(index, self._id_ranks)
        ranked = []
        with Progress("fusion", len(nearest.indices), "query") as progress:
            for start in range(0, len(nearest.indices), _QUERIES_A_BLOCK):
                block = slice(start, start + _QUERIES_A_BLOCK)
                asked = LandmarkConfidences(query.landmarks[block], query.confidences[block])
                near = Neighbors(np.array(nearest.indices[block]), np.array(nearest.scores[block]))
                depth = settings.limit + near.k
                ranking = fusion.fuse(
                    near,
                    fusion.direct_confidences(near),
                    bridges_of_pairs(asked, index, near.indices),
                    best_bridges(asked, lists, self._id_ranks, depth, surest_first),
                    self._id_ranks,
                    divisor=settings.bridge_divisor,
                    direct_power=settings.direct_power,
                    bridge_power=settings.bridge_power,
                    surest_first=surest_first,
                    limit=settings.limit,
                )
                ranked.append(ranking)
                progress.update(len(near.indices))
        return fusion.concatenated(ranked)

    def _neighbors(
        self, stage: str, queries: RowSource, database: RowSource, k: int, per_part: int = 0
    ) -> Neighbors:
        def blocks() -> Iterator[tuple[np.ndarray, ...]]:
            for found in self._search(queries, database, k, per_part, stage.replace("_", " ")):
                yield found.indices, found.scores

        key = self._key(queries, database, k, per_part)
        rows = sum(queries.part_lengths)
        indices, scores = self._cache.arrays(stage, key, rows, blocks)
        return Neighbors(indices, scores)

    def _search(
        self, queries: RowSource, database: RowSource, k: int, per_part: int, description: str
    ) -> Iterator[Neighbors]:
        return search.search_blocks(
            queries, database, k, per_part, self._config.search, self._cache.folder, description
        )

    def _open(self, role: str, folders: Sequence[str]) -> RowSource:
        rows = open_rows(folders, self._config.votes, f"--{role}")
        self.inputs[role] = rows.digest
        return rows

    def _key(self, queries: RowSource, database: RowSource, k: int, per_part: int) -> dict:
        return {
            "queries": queries.digest,
            "database": database.digest,
            "k": 0 if per_part else k,
            "per_part": per_part,
            "search": search.cache_key(self._config.search),
        }


def open_rows(folders: Sequence[str], votes: Sequence[float], flag: str) -> RowSource:
    """Opens the sets that several models made of some images and joins them.

    Args:
        folders: The sets' folders, one a model.
        votes: How much each model counts; none counts them alike.
        flag: Where the folders came from, for messages.

    Raises:
        UserError: On a set that is not whole, sets of different images, or no images.
    """
    rows = join([EmbeddingSet.open(os.fspath(folder)) for folder in folders], votes)
    if sum(rows.part_lengths) == 0:
        raise UserError(f"{flag} {rows.name}: expected at least one image, found none")
    return rows


def _no_landmarks(images: int) -> LandmarkConfidences:
    return LandmarkConfidences(
        np.full((images, 1), landmarks.NO_LANDMARK, np.int64), np.full((images, 1), -np.inf)
    )
