"""The landmarks that images show, and the train photos that support them."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from glrtf.config.ranking import PUBLISHED_FOR_PHOTOS, RankingSettings
from glrtf.config.search import SearchConfig
from glrtf.embeddings.adapted_rows import AdaptedRows
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.embeddings.joined_rows import JoinedRows
from glrtf.embeddings.rows import ArrayRows, RowSource, groups_of
from glrtf.embeddings.subset_rows import SubsetRows
from glrtf.retrieval.bridging import landmark_confidence as landmarks
from glrtf.retrieval.bridging import non_landmark
from glrtf.retrieval.bridging.landmark_confidence import NO_LANDMARK, LandmarkConfidences
from glrtf.retrieval.bridging.supporting import supporting_rows
from glrtf.retrieval.growing import Growth
from glrtf.retrieval.published_parts import PublishedParts
from glrtf.retrieval.search.backends import cache_key, search_blocks
from glrtf.retrieval.search.neighbors import NO_ROW, Neighbors
from glrtf.retrieval.search.opened import OpenedDatabase
from glrtf.retrieval.stage_cache import StageCache
from tfrecords_tools.storage import files


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """Photos that a search must ignore, one entry per query photo.

    Attributes:
        ids: (photos,) S dtype; index and train photos with this id are ignored.
        landmarks: (photos,) int64; all photos of this landmark are ignored; -1 for none.
    """

    ids: npt.NDArray[np.bytes_]
    landmarks: npt.NDArray[np.int64]

    def covers(
        self, ids: npt.NDArray[np.bytes_], landmarks: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        """(photos, k) bool, which of (photos, k) ids and landmarks are ignored."""
        known = landmarks != NO_LANDMARK
        return (ids == self.ids[:, None]) | (known & (landmarks == self.landmarks[:, None]))


@dataclasses.dataclass(frozen=True)
class LandmarkEvidence:
    """The landmarks of images and the train photos that support them.

    Attributes:
        confidences: The landmarks kept, and C of each.
        train_rows: (images, keep, per_landmark) int64, the train rows whose similarities C adds
            up, nearest first; -1 if there are fewer.
    """

    confidences: LandmarkConfidences
    train_rows: npt.NDArray[np.int64]


class LandmarkFinder:
    """Steps 2 to 4 of a retrieval.

    Args:
        train: The train photos.
        landmarks_csv: CSV of their landmarks.
        search: How neighbours are found.
        folder: Where search indexes and the index photos' evidence are cached.
        ranking: The settings.
        non_landmark_scores: CSV of the train photos' similarity to non-landmarks; empty for none.

    Attributes:
        train: The train photos by ascending id, in the published number of parts.
        of_rows: (train photos,) int64, the landmark of each.
        known: Their landmark ids, ascending.
    """

    def __init__(
        self,
        train: EmbeddingSet | JoinedRows | AdaptedRows | ArrayRows,
        landmarks_csv: str,
        search: SearchConfig,
        folder: str,
        ranking: RankingSettings = PUBLISHED_FOR_PHOTOS,
        non_landmark_scores: str = "",
    ) -> None:
        self.train = PublishedParts(train)
        self._landmarks_csv = landmarks_csv
        self._search, self._folder = search, folder
        self.of_rows = landmarks.read_landmarks(landmarks_csv, self.train)
        self.known, self._codes = np.unique(self.of_rows, return_inverse=True)
        self._neighbors = ranking.train_neighbors
        self._settings = ranking.landmark
        self._penalties_csv = non_landmark_scores
        similarity = np.ones(len(self.of_rows))
        if self._penalties_csv:
            similarity = non_landmark.read_scores(self._penalties_csv, self.train)
        # The last entry is for missing neighbours: row -1.
        self._non_landmark_similarity = np.append(similarity, 1.0)
        self._opened = OpenedDatabase(self.train, search, folder)

    def of_photos(self, photos: RowSource, left_out: LeftOut | None = None) -> LandmarkEvidence:
        """The landmarks of a few photos."""
        wanted = self._neighbors
        near = self._opened.nearest(photos, wanted.k, wanted.per_part)
        if left_out is not None:
            gone = left_out.covers(self.train.ids[near.indices], self.of_rows[near.indices])
            near = Neighbors(
                np.where(gone, NO_ROW, near.indices), np.where(gone, -np.inf, near.scores)
            )
        return self._evidence(near)

    def of_set(self, photos: RowSource, title: str) -> LandmarkConfidences:
        """The landmarks of any number of photos.

        Args:
            photos: Their rows.
            title: Title of the progress bar.
        """
        found = [block.confidences for block in self._blocks(photos, title)]
        return LandmarkConfidences(
            np.concatenate([each.landmarks for each in found]),
            np.concatenate([each.confidences for each in found]),
        )

    def _blocks(self, photos: RowSource, title: str) -> Iterator[LandmarkEvidence]:
        wanted = self._neighbors
        for near in search_blocks(
            photos, self.train, wanted.k, wanted.per_part, self._search, self._folder, title
        ):
            yield self._evidence(near)

    def of_index(self, index: RowSource) -> LandmarkEvidence:
        """The landmarks of all index photos, found once and cached on disk.

        After a change of the set, only those of new photos are computed.
        """

        def blocks(of: RowSource = index) -> Iterator[tuple[np.ndarray, ...]]:
            for found in self._blocks(of, "landmarks of the index"):
                yield found.confidences.landmarks, found.confidences.confidences, found.train_rows

        key = self._key(index)
        growth = Growth(
            {name: value for name, value in key.items() if name != "index"},
            groups_of(index),
            lambda rows: blocks(SubsetRows(index, rows)),
            replaces=True,
        )
        marks, confidences, rows = StageCache(self._folder).arrays(
            "index_landmarks", key, len(index.ids), blocks, growth
        )
        return LandmarkEvidence(
            LandmarkConfidences(np.array(marks), np.array(confidences)), np.array(rows)
        )

    def _evidence(self, near: Neighbors) -> LandmarkEvidence:
        settings = self._settings
        valid = near.indices != NO_ROW
        codes = np.where(valid, self._codes[near.indices], -1)
        similarity = self._non_landmark_similarity[near.indices]
        kept = landmarks.landmark_confidences(
            codes,
            non_landmark.penalized_distances(near.scores, similarity, settings.non_landmark_weight),
            self.known,
            per_landmark=settings.per_landmark,
            best_bonus=settings.best_bonus,
            keep=settings.keep,
            mean=settings.aggregate == "mean",
        )
        shown = np.where(valid, self.known[codes], NO_LANDMARK)
        rows = supporting_rows(near, shown, kept.landmarks, settings.per_landmark)
        return LandmarkEvidence(kept, rows)

    def _key(self, index: RowSource) -> dict[str, Any]:
        """Everything that the index photos' evidence depends on."""
        penalties = {}
        if self._penalties_csv:
            penalties = {"non_landmark": files.sha256(self._penalties_csv)}
        return {
            **penalties,
            "index": index.digest,
            "train": self.train.digest,
            "landmarks": files.sha256(self._landmarks_csv),
            "neighbors": dataclasses.asdict(self._neighbors),
            "settings": dataclasses.asdict(self._settings),
            "search": cache_key(self._search),
        }


def no_evidence(count: int) -> LandmarkEvidence:
    """Empty evidence, for searches without train photos."""
    nothing = np.full((count, 1), NO_LANDMARK, np.int64)
    confidences = LandmarkConfidences(nothing, np.full((count, 1), -np.inf))
    return LandmarkEvidence(confidences, np.full((count, 1, 1), NO_ROW, np.int64))
