"""Inputs of a retrieval that are objects in memory instead of folders."""

import functools
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from glrtf.config.retrieval import RetrieveConfig
from glrtf.embeddings.adapted_rows import AdaptedRows
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.embeddings.joined_rows import JoinedRows
from glrtf.embeddings.rows import ArrayRows
from glrtf.retrieval.inputs import Inputs
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

Source = EmbeddingSet | ArrayRows


class GivenInputs(Inputs):
    """`Inputs` whose sets are open already, and whose landmarks may be a mapping.

    Args:
        config: The settings; the folders of query, index, train and non_landmark in them are not
            read.
        sources: Role -> its sets, one per model, or one array.
        landmarks: Train image id -> landmark id; None reads the table that `config` names.
    """

    def __init__(
        self,
        config: RetrieveConfig,
        sources: Mapping[str, Sequence[Source]],
        landmarks: Mapping[str, int] | None = None,
    ) -> None:
        self._sources = sources
        self._landmarks = landmarks
        super().__init__(config)

    @functools.cached_property
    def train_landmarks(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The train set's landmark ids, ascending, and (train rows,) each row's place in them."""
        if self._landmarks is None:
            return super().train_landmarks
        ids = [one.decode() for one in self.train.ids.tolist()]
        if missing := [one for one in ids if one not in self._landmarks]:
            raise UserError(
                f"landmarks: expected the landmark of every train image, found none for "
                f"{len(missing)} of {len(ids)}, the first {missing[0]}"
            )
        of_rows = np.array([self._landmarks[one] for one in ids], np.int64)
        if of_rows.min() < 0:
            raise UserError(f"landmarks: expected numbers from 0 on, found {of_rows.min()}")
        return np.unique(of_rows, return_inverse=True)

    @functools.cached_property
    def landmarks_digest(self) -> str:
        """SHA-256 of the landmarks."""
        if self._landmarks is None:
            return super().landmarks_digest
        return files.json_digest(sorted((key, int(v)) for key, v in self._landmarks.items()))

    def _open(self, role: str, folders: Sequence[str]) -> JoinedRows | AdaptedRows | ArrayRows:
        sets = [one for one in self._sources[role] if isinstance(one, EmbeddingSet)]
        arrays = [one for one in self._sources[role] if isinstance(one, ArrayRows)]
        if not arrays:
            return self._joined(role, sets)
        if sets or len(arrays) > 1:
            raise UserError(
                f"{role}: expected embedding sets or one array of rows, found {len(sets)} sets "
                f"and {len(arrays)} arrays; give arrays to write_set to join them"
            )
        if self._config.adapter:
            raise UserError(f"{role}: expected embedding sets for the adapter, found an array")
        return self._not_empty(role, arrays[0])
