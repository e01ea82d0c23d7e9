"""Answers for embedded photos: index and train photos opened once."""

import copy
import os
from typing import Self

import numpy as np
import numpy.typing as npt

from glrtf.config.retrieval import FusionConfig
from glrtf.config.service import MOST_ANSWERS, SearcherConfig
from glrtf.embeddings.agreement import Agreement
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.embeddings.rows import ArrayRows, RowSource
from glrtf.photos.landmark_tables import landmark_names
from glrtf.retrieval.bridging.fusion import Ranking
from glrtf.retrieval.bridging.landmark_confidence import NO_LANDMARK
from glrtf.retrieval.ranking import rank_block
from glrtf.retrieval.search.neighbors import NO_ROW, Neighbors
from glrtf.service import labels
from glrtf.service.answers import Answer, LandmarkFound, PhotoFound
from glrtf.service.calibration import Calibration
from glrtf.service.landmark_evidence import (
    LandmarkEvidence,
    LandmarkFinder,
    LeftOut,
    no_evidence,
)
from glrtf.service.search_space import SearchSpace, whole_space
from tfrecords_tools.arrange import read_names


class RowSearcher:
    """The steps of a retrieval for a few embedded photos, what belongs to the index done once.

    Confidences, bridges and fusion are those of `glrtf retrieve` with the
    published parameters, without its database-side augmentation and non-landmark
    penalty, which need a whole test set.

    Args:
        index: What is searched.
        config: The back end, the cache, and the train photos, if any.

    Attributes:
        index: What is searched.
        train: The train photos, if any.
        train_rows: The train photos' rows in the order that `train_landmarks` has, if any.
        train_landmarks: (train photos,) int64, what they show.
        index_landmarks: (index photos,) int64, what they show; -1 if that is not known.
        landmark_names: What landmarks are called, where that is known.
        calibration: How scores become probabilities, where that is known.

    Raises:
        UserError: If a table does not fit.
    """

    def __init__(self, index: EmbeddingSet, config: SearcherConfig) -> None:
        self._config = config
        self.train = EmbeddingSet.open(config.train, config.verify) if config.train else None
        self.train_rows: RowSource | None = None
        self.train_landmarks = np.empty(0, np.int64)
        self._finder: LandmarkFinder | None = None
        if self.train:
            folder = config.cache_folder
            self.train.hold()
            self._finder = LandmarkFinder(self.train, config.landmarks, config.search, folder)
            self.train_rows, self.train_landmarks = self._finder.train, self._finder.of_rows
        self._take_index(index)

    def with_index(self, index: EmbeddingSet) -> Self:
        """A searcher of another version of the index; the train photos stay opened.

        Raises:
            UserError: As for a new searcher.
        """
        other = copy.copy(self)
        other._take_index(index)
        return other

    def _take_index(self, index: EmbeddingSet) -> None:
        """Does what belongs to the index once."""
        config = self._config
        self.index = index
        self._refuse_unlike()
        index.hold()
        self.index_landmarks = labels.landmarks_of(config.index_labels, index.ids)
        self.calibration = Calibration()
        self.landmark_names: dict[int, str] = {}
        self._photo_names = labels.names_of_photos(index.folder)
        if config.index_labels:
            known = {*self.train_landmarks.tolist(), *self.index_landmarks.tolist()}
            tables = os.path.dirname(config.landmarks or config.labels) or "."
            self.landmark_names = landmark_names(tables, known)
            self._photo_names |= read_names(tables)
        self._of_index = (
            self._finder.of_index(index) if self._finder else no_evidence(index.num_rows)
        )
        folder, confidences = config.cache_folder, self._of_index.confidences
        self._whole = whole_space(index, confidences, config.search, folder)

    def _refuse_unlike(self) -> None:
        """Index and train photos must have been embedded alike."""
        agreement = Agreement()
        for one in (self.index, self.train):
            if one is not None:
                agreement.add(one.folder, one.meta)

    @property
    def finder(self) -> LandmarkFinder:
        """What finds landmarks.

        Raises:
            ValueError: Without train photos.
        """
        if self._finder is None:
            raise ValueError("expected train photos, found none")
        return self._finder

    def answer(
        self,
        rows: np.ndarray,
        limit: int = MOST_ANSWERS,
        space: SearchSpace | None = None,
        unwanted: npt.NDArray[np.int64] | None = None,
    ) -> list[Answer]:
        """Answers for embedded photos.

        Args:
            rows: Float32 (photos, d), of length 1.
            limit: How many index photos each, at most.
            space: What is searched; None for the whole index.
            unwanted: Index rows that are no answers.
        """
        more = 0 if unwanted is None else len(unwanted)
        evidence, ranking = self.rank(rows, limit + more, space=space)
        if unwanted is not None and more:
            ranking = without(ranking, np.isin(ranking.images, unwanted), limit)
        return [
            Answer(self._landmarks_of(evidence, photo), self._found(ranking, photo))
            for photo in range(len(rows))
        ]

    def rank(
        self,
        rows: np.ndarray,
        limit: int,
        left_out: LeftOut | None = None,
        space: SearchSpace | None = None,
    ) -> tuple[LandmarkEvidence, Ranking]:
        """The landmarks of embedded photos and the index photos, ranked.

        Index photos' own landmarks are found once: those of a photo near one left out still
        count it.

        Args:
            rows: Float32 (photos, d), of length 1.
            limit: How many index photos each, at most.
            left_out: What is searched as if it were not in the index and the train set.
            space: What is searched; None for the whole index.
        """
        photos = ArrayRows(rows, "photos")
        finder = self._finder
        evidence = finder.of_photos(photos, left_out) if finder else no_evidence(len(rows))
        space = space or self._whole
        near = space.opened.nearest(photos, FusionConfig.direct_k)
        if left_out is None:
            return evidence, space.in_index(self._fused(near, evidence, limit, space))
        ids, known = self.index.ids, self.index_landmarks
        gone = left_out.covers(ids[near.indices], known[near.indices])
        near = Neighbors(np.where(gone, NO_ROW, near.indices), near.scores)
        same = np.isin(known, left_out.landmarks[left_out.landmarks != NO_LANDMARK])
        ranking = self._fused(near, evidence, limit + 1 + int(same.sum()), space)
        gone = left_out.covers(ids[ranking.images], known[ranking.images])
        return evidence, without(ranking, gone, limit)

    @staticmethod
    def _fused(
        near: Neighbors, evidence: LandmarkEvidence, limit: int, space: SearchSpace
    ) -> Ranking:
        """Steps 5, 7 and 8 of a retrieval."""
        settings = FusionConfig(limit=limit)
        direct = np.clip(near.scores, 0, 1)
        return rank_block(near, direct, evidence.confidences, space.lists, settings)

    def _landmarks_of(self, evidence: LandmarkEvidence, photo: int) -> tuple[LandmarkFound, ...]:
        marks, confidences = (
            evidence.confidences.landmarks[photo],
            evidence.confidences.confidences[photo],
        )
        return tuple(
            LandmarkFound(
                int(mark),
                self.landmark_names.get(int(mark), ""),
                float(confidences[place]),
                self.calibration.of_landmark(float(confidences[place])),
                self._train_ids(evidence, photo, place),
            )
            for place, mark in enumerate(marks)
            if mark != NO_LANDMARK
        )

    def _found(self, ranking: Ranking, photo: int) -> tuple[PhotoFound, ...]:
        places = range(int((ranking.images[photo] != NO_ROW).sum()))
        return tuple(self._photo_found(ranking, photo, place) for place in places)

    def _photo_found(self, ranking: Ranking, photo: int, place: int) -> PhotoFound:
        row, landmark = int(ranking.images[photo, place]), int(ranking.landmarks[photo, place])
        train_photos: tuple[str, ...] = ()
        if landmark != NO_LANDMARK:
            of_row = self._of_index.confidences.landmarks[row]
            [kept] = np.flatnonzero(of_row == landmark)
            train_photos = self._train_ids(self._of_index, row, int(kept))
        image_id = self.index.ids[row].decode()
        return PhotoFound(
            image_id,
            self._photo_names.get(image_id, ""),
            float(ranking.final[photo, place]),
            self.calibration.of_photo(float(ranking.final[photo, place])),
            float(ranking.direct[photo, place]),
            float(ranking.bridged[photo, place]),
            None if landmark == NO_LANDMARK else landmark,
            train_photos,
        )

    def _train_ids(self, evidence: LandmarkEvidence, image: int, place: int) -> tuple[str, ...]:
        assert self.train_rows is not None
        rows = evidence.train_rows[image, place]
        return tuple(self.train_rows.ids[row].decode() for row in rows if row != NO_ROW)


def without(ranking: Ranking, gone: np.ndarray, limit: int) -> Ranking:
    """The first `limit` images that are not gone, (photos, k) bool, in the same order."""
    order = np.argsort(gone, axis=1, kind="stable")[:, :limit]
    images = np.where(gone, NO_ROW, ranking.images)

    def taken(values: np.ndarray, nothing: float) -> np.ndarray:
        chosen = np.take_along_axis(values, order, axis=1)
        return np.where(np.take_along_axis(images, order, axis=1) == NO_ROW, nothing, chosen)

    return Ranking(
        taken(images, NO_ROW),
        taken(ranking.final, 0.0),
        taken(ranking.direct, 0.0),
        taken(ranking.bridged, 0.0),
        taken(ranking.landmarks, NO_LANDMARK),
    )
