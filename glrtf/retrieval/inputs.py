"""The inputs of a retrieval, each opened once and only when needed."""

import functools
import os
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from glrtf.config.retrieval import RetrieveConfig
from glrtf.embeddings.adapted_rows import AdaptedRows, adapted
from glrtf.embeddings.adapter import Adapter
from glrtf.embeddings.adapter import load as load_adapter
from glrtf.embeddings.agreement import Agreement
from glrtf.embeddings.concatenated_rows import ConcatenatedRows
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.embeddings.joined_rows import JoinedRows, join
from glrtf.embeddings.rows import ArrayRows, RowSource, gather_rows
from glrtf.retrieval.bridging import landmark_confidence, non_landmark
from glrtf.retrieval.ordering import id_ranks
from glrtf.retrieval.published_parts import PublishedParts
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

_RowsT = TypeVar("_RowsT", JoinedRows, AdaptedRows, ArrayRows)


class Inputs:
    """The embedding sets and tables that a configuration names.

    Of the settings only the files and the votes matter: configurations that
    differ in nothing but parameters may share one.

    Args:
        config: The settings.

    Attributes:
        query: The test images.
        index: The index images.
        images: Both, the index first.
        id_ranks: (index images,) int64, each one's place by ascending image id.
        digests: The digest of every set opened so far, by role.

    Raises:
        UserError: On a set that is not whole, sets of different images, models, views or
            scales, no images, or tables in use that do not fit.
    """

    def __init__(self, config: RetrieveConfig) -> None:
        self._config = config
        self.digests: dict[str, str] = {}
        self._agreement = Agreement()
        self._of_query = Agreement() if config.asymmetric else self._agreement
        self.query: RowSource = self._open("query", config.query)
        self.index: RowSource = self._open("index", config.index)
        self.images: RowSource = ConcatenatedRows([self.index, self.query])
        self.id_ranks = id_ranks(self.index.ids)
        self._read_tables()

    def _read_tables(self) -> None:
        """Reads the tables in use, so that a wrong one is reported before the long searches."""
        if self._config.needs_train:
            _ = self.train_landmarks
        if self._config.bridged:
            _ = self.non_landmark_digest

    @functools.cached_property
    def train(self) -> RowSource:
        """The train images by ascending id, in the published number of parts."""
        return PublishedParts(self._open("train", self._config.train))

    @functools.cached_property
    def train_landmarks(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The train set's landmark ids, ascending, and (train rows,) each row's place in them."""
        of_rows = landmark_confidence.read_landmarks(str(self._config.landmarks), self.train)
        return np.unique(of_rows, return_inverse=True)

    @functools.cached_property
    def landmarks_digest(self) -> str:
        """SHA-256 of the landmarks CSV."""
        return files.sha256(str(self._config.landmarks))

    @functools.cached_property
    def non_landmark_scores(self) -> npt.NDArray[np.float64] | None:
        """(train rows,) non-landmark confidences computed elsewhere, if given."""
        path = self._config.non_landmark_scores
        if not path:
            return None
        self.digests["non_landmark_scores"] = files.sha256(path)
        return non_landmark.read_scores(path, self.train)

    @functools.cached_property
    def non_landmark(self) -> RowSource | None:
        """The images without a landmark, if given."""
        config = self._config
        images: RowSource = self.query
        if config.non_landmark:
            images = self._open("non_landmark", config.non_landmark)
        elif not config.non_landmark_solution:
            return None
        if not config.non_landmark_solution:
            return images
        rows = non_landmark.rows_without_landmark(config.non_landmark_solution, images)
        chosen = ArrayRows(gather_rows(images, rows), images.name, images.ids[rows])
        self.digests["non_landmark"] = chosen.digest
        return chosen

    @property
    def non_landmark_digest(self) -> str | None:
        """What the non-landmark confidences depend on besides the train images."""
        if self._config.non_landmark_scores:
            assert self.non_landmark_scores is not None
            return self.digests["non_landmark_scores"]
        return self.non_landmark.digest if self.non_landmark is not None else None

    def kept(self, rows: RowSource) -> RowSource:
        """Rows made from the inputs, as the steps after shall read them: here, as they are."""
        return rows

    def _open(self, role: str, folders: Sequence[str]) -> JoinedRows | AdaptedRows | ArrayRows:
        sets = [EmbeddingSet.open(os.fspath(one), self._config.verify) for one in folders]
        return self._joined(role, sets)

    def _joined(self, role: str, sets: Sequence[EmbeddingSet]) -> JoinedRows | AdaptedRows:
        agreement = self._of_query if role == "query" else self._agreement
        for place, one in enumerate(sets):
            agreement.add(f"--{role} {one.folder}", one.meta, place)
        adapter = self._adapter
        if adapter is None:
            return self._not_empty(role, join(sets, self._config.votes))
        return self._not_empty(role, adapted(f"--{role}", sets, self._config.votes, adapter))

    @functools.cached_property
    def _adapter(self) -> Adapter | None:
        """The adapter of the rows, if any."""
        return load_adapter(self._config.adapter) if self._config.adapter else None

    def _not_empty(self, role: str, rows: _RowsT) -> _RowsT:
        if sum(rows.part_lengths) == 0:
            raise UserError(f"--{role} {rows.name}: expected at least one image, found none")
        self.digests[role] = rows.digest
        return rows
