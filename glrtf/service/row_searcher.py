"""Answers for embedded photos; index and train photos are opened once."""

import copy
import dataclasses
from typing import Self

import numpy as np
import numpy.typing as npt

from glrtf.config.service import MOST_ANSWERS, SearcherConfig
from glrtf.embeddings.rows import ArrayRows, RowSource
from glrtf.photos.landmark_tables import landmark_names
from glrtf.retrieval.bridging.fusion import Ranking
from glrtf.retrieval.bridging.landmark_confidence import NO_LANDMARK
from glrtf.retrieval.ranking import rank_block
from glrtf.retrieval.rerank import label_votes
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
from glrtf.service.search_space import SearchSpace, part_of, whole_space
from glrtf.service.searched import Searched
from tfrecords_tools.arrange import read_names


class RowSearcher:
    """The steps of a retrieval for a few embedded photos; those of the index alone run once.

    Each photo is ranked like the only query of ``glrtf retrieve``, with the ranking's settings in
    `searched`: by default the published parameters, without database-side augmentation and without
    non-landmark penalty.

    Args:
        searched: The index photos, and the train photos, if any.
        config: The back end and the cache.

    Attributes:
        searched: The photos and settings.
        index: The rows of the index photos.
        train: The rows of the train photos, if any.
        train_rows: The rows of the train photos in the order of `train_landmarks`, if any.
        train_landmarks: (train photos,) int64, the landmark of each.
        index_landmarks: (index photos,) int64, the landmark of each; -1 if unknown.
        landmark_names: The names of landmarks, as far as they are known.
        calibration: From scores to probabilities, if known.

    Raises:
        UserError: If a table does not match, or photos cannot be ranked with these settings.
    """

    def __init__(self, searched: Searched, config: SearcherConfig) -> None:
        self._config = config
        self.train = searched.train
        self.train_rows: RowSource | None = None
        self.train_landmarks = np.empty(0, np.int64)
        self._finder: LandmarkFinder | None = None
        if self.train is not None:
            for one in searched.train_sets:
                one.hold()
            self._finder = LandmarkFinder(
                self.train,
                searched.landmarks,
                config.search,
                config.cache_folder,
                searched.ranking,
                searched.non_landmark_scores,
            )
            self.train_rows, self.train_landmarks = self._finder.train, self._finder.of_rows
        self._take(searched)

    def with_index(self, searched: Searched) -> Self:
        """A searcher of another version of the index; the train photos stay open.

        Raises:
            UserError: As for a new searcher.
        """
        other = copy.copy(self)
        other._take(searched)
        return other

    def _take(self, searched: Searched) -> None:
        """Runs the steps that depend only on the index."""
        for one in searched.index_sets:
            one.hold()
        self.searched, self.index = searched, searched.index
        self.index_landmarks = labels.landmarks_of(searched.labels, self.index.ids)
        self.calibration = Calibration()
        self._ranking = searched.ranking
        self.landmark_names: dict[int, str] = {}
        self._photo_names = labels.names_of_photos(searched.folders["index"])
        if searched.labels:
            known = {*self.train_landmarks.tolist(), *self.index_landmarks.tolist()}
            self.landmark_names = landmark_names(searched.tables, known)
            self._photo_names |= read_names(searched.tables)
        self._of_index = no_evidence(len(self.index.ids))
        if self._finder and self._ranking.bridged:
            self._of_index = self._finder.of_index(self.index)
        confidences, config = self._of_index.confidences, self._config
        self._whole = whole_space(
            self.index, confidences, self._ranking, config.search, config.cache_folder
        )

    def _part(self, rows: npt.NDArray[np.int64]) -> SearchSpace:
        """A part of the index to search in."""
        folder, confidences = self._config.cache_folder, self._of_index.confidences
        return part_of(self.index, confidences, rows, self._ranking, folder)

    @property
    def version(self) -> int:
        """How often the index was changed since it was made."""
        return self.searched.index_sets[0].generation

    @property
    def finder(self) -> LandmarkFinder:
        """Finds the landmarks of photos.

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
            rows: Float32 or float64 (photos, d), of length 1.
            limit: The largest number of index photos per answer.
            space: The part of the index to search in; None for the whole index.
            unwanted: Index rows to leave out of the answers.
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
        """The landmarks of embedded photos, and their ranked index photos.

        The landmarks of index photos are computed once, so those of a neighbour of a photo in
        `left_out` still include that photo.

        Args:
            rows: Float32 or float64 (photos, d), of length 1.
            limit: The largest number of index photos per photo.
            left_out: Index and train photos to ignore.
            space: The part of the index to search in; None for the whole index, which `left_out`
                requires.
        """
        photos = ArrayRows(rows, "photos")
        finder = self._finder
        evidence = finder.of_photos(photos, left_out) if finder else no_evidence(len(rows))
        if left_out is None:
            space = space or self._whole
            found = space.direct.nearest(photos)
            return evidence, space.in_index(self._fused(space, *found, evidence, limit))
        ids, known = self.index.ids, self.index_landmarks

        def hidden(images: np.ndarray) -> np.ndarray:
            return left_out.covers(ids[images], known[images])

        near, direct = self._whole.direct.nearest(photos, hidden)
        same = np.isin(known, left_out.landmarks[left_out.landmarks != NO_LANDMARK])
        most = limit + 1 + int(same.sum())
        ranking = self._fused(self._whole, near, direct, evidence, most)
        return evidence, without(ranking, hidden(ranking.images), limit)

    def _fused(
        self,
        space: SearchSpace,
        near: Neighbors,
        direct: np.ndarray,
        evidence: LandmarkEvidence,
        limit: int,
    ) -> Ranking:
        """Label votes and steps 5 and 8 of a retrieval."""
        settings = self._ranking
        shown = evidence.confidences
        if not settings.bridged:
            shown = no_evidence(len(near.indices)).confidences
        if settings.label_vote_weight:
            votes = label_votes.votes(shown, space.confidences, near.indices)
            direct = direct + settings.label_vote_weight * votes
        fusion = dataclasses.replace(settings.fusion, limit=limit)
        return rank_block(near, direct, shown, space.lists, fusion)

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
    """The first `limit` images without those marked in (photos, k) bool, in the same order."""
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
