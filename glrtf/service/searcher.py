"""Answers for photos: model, index and train photos opened once."""

import json
import os
from collections.abc import Sequence

import numpy as np

from glrtf.config.retrieval import FusionConfig
from glrtf.config.service import MOST_ANSWERS, SearcherConfig
from glrtf.embedding_agreement import Agreement
from glrtf.embedding_rows import ArrayRows
from glrtf.embedding_set import EmbeddingSet
from glrtf.evaluation.train_photos import landmark_names
from glrtf.inference.embedders import Embedder, load_embedder
from glrtf.retrieval import bridge
from glrtf.retrieval.fusion import Ranking
from glrtf.retrieval.landmarks import NO_LANDMARK
from glrtf.retrieval.neighbors import NO_ROW
from glrtf.retrieval.opened import OpenedDatabase
from glrtf.retrieval.ordering import id_ranks
from glrtf.retrieval.ranking import rank_block
from glrtf.service.answers import Answer, LandmarkFound, PhotoFound
from glrtf.service.batch_model import BatchModel
from glrtf.service.landmark_evidence import LandmarkEvidence, LandmarkFinder, no_evidence
from tfrecords_tools.arrange import read_names
from tfrecords_tools.errors import UserError


class Searcher:
    """The steps of a retrieval for a few photos, what belongs to the index done once.

    Confidences, bridges and fusion are those of `glrtf.retrieve` with the
    published parameters, without its database-side augmentation and non-landmark
    penalty, which need a whole test set.

    Args:
        model: The model.
        index: What is searched.
        config: The back end, the cache, and the train photos, if any.

    Attributes:
        model: The model.
        index: What is searched.
        train: The train photos, if any.

    Raises:
        UserError: If a set was embedded with another model, views, scales or size, or a table does
            not fit.
    """

    def __init__(self, model: BatchModel, index: EmbeddingSet, config: SearcherConfig) -> None:
        folder = config.cache_folder
        self.model, self.index = model, index
        self.train = EmbeddingSet.open(config.train, config.verify) if config.train else None
        _refuse_unlike(model.embedder, config, [index, *([self.train] if self.train else [])])
        self._opened = OpenedDatabase(index, config.search, folder)
        self._id_ranks = id_ranks(index.ids)
        self._finder: LandmarkFinder | None = None
        self._landmark_names: dict[int, str] = {}
        self._photo_names: dict[str, str] = {}
        if self.train:
            self._finder = LandmarkFinder(self.train, config.landmarks, config.search, folder)
            known = [int(number) for number in self._finder.known]
            tables = os.path.dirname(config.landmarks) or "."
            self._landmark_names = landmark_names(tables, known)
            self._photo_names = read_names(tables)
        self._of_index = (
            self._finder.of_index(index) if self._finder else no_evidence(index.num_rows)
        )
        self._lists = bridge.list_by_landmark(self._of_index.confidences, self._id_ranks)

    def search(self, photos: Sequence[np.ndarray], limit: int = MOST_ANSWERS) -> list[Answer]:
        """Answers for photos.

        Args:
            photos: Pixels uint8 (size, size, 3).
            limit: How many index photos each, at most.
        """
        return self.answer(self.model(photos), limit)

    def answer(self, rows: np.ndarray, limit: int = MOST_ANSWERS) -> list[Answer]:
        """Answers for embedded photos.

        Args:
            rows: Float32 (photos, d), of length 1.
            limit: How many index photos each, at most.
        """
        photos = ArrayRows(rows, "photos")
        asked = self._finder.of_photos(photos) if self._finder else no_evidence(len(rows))
        ranking = self._rank(photos, asked, limit)
        return [
            Answer(self._landmarks_of(asked, photo), self._found(ranking, photo))
            for photo in range(len(rows))
        ]

    def _rank(self, photos: ArrayRows, asked: LandmarkEvidence, limit: int) -> Ranking:
        """Steps 5, 7 and 8 of a retrieval."""
        settings = FusionConfig(limit=limit)
        near = self._opened.nearest(photos, settings.direct_k)
        direct = np.clip(near.scores, 0, 1)
        return rank_block(near, direct, asked.confidences, self._lists, self._id_ranks, settings)

    def _landmarks_of(self, asked: LandmarkEvidence, photo: int) -> tuple[LandmarkFound, ...]:
        marks, sure = asked.confidences.landmarks[photo], asked.confidences.confidences[photo]
        return tuple(
            LandmarkFound(
                int(mark),
                self._landmark_names.get(int(mark), ""),
                float(sure[place]),
                self._train_ids(asked, photo, place),
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
            float(ranking.direct[photo, place]),
            float(ranking.bridged[photo, place]),
            None if landmark == NO_LANDMARK else landmark,
            train_photos,
        )

    def _train_ids(self, evidence: LandmarkEvidence, image: int, place: int) -> tuple[str, ...]:
        assert self.train is not None
        rows = evidence.train_rows[image, place]
        return tuple(self.train.ids[row].decode() for row in rows if row != NO_ROW)


def open_searcher(config: SearcherConfig, max_batch: int = 32) -> Searcher:
    """Opens the sets and loads the model.

    Args:
        config: What to search with.
        max_batch: Most photos of one model call.
    """
    index = EmbeddingSet.open(config.index, config.verify)
    model = BatchModel(load_embedder(config.model), config.tta, max_batch)
    return Searcher(model, index, config)


def _refuse_unlike(
    embedder: Embedder, config: SearcherConfig, sets: Sequence[EmbeddingSet]
) -> None:
    """Photos are embedded here as the sets must have been: by the same model, views and size."""
    for one in sets:
        found = one.meta.get("model_digest")
        if found != embedder.digest:
            raise UserError(
                f"{one.folder}: expected a set embedded with {embedder.name} (model digest"
                f" {embedder.digest[:12]}…), found {json.dumps(found)[:14]}…; embed it with this"
                " model"
            )
    agreement = Agreement()
    ours = {"size": embedder.size, "tta": list(config.tta), "scales": [1.0]}
    agreement.add("the photos searched for (see --tta)", ours)
    for one in sets:
        agreement.add(one.folder, one.meta)
