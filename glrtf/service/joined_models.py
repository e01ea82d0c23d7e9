"""Several models joined to one: from photos to the joined rows that a ranking compares."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from glrtf.data.input_spec import InputSpec
from glrtf.embeddings.adapter import Adapter
from glrtf.embeddings.rows import normalized
from glrtf.service.batch_model import BatchModel
from glrtf.service.photo_input import Prepared
from tfrecords_tools.storage import files


class PhotoModel(Protocol):
    """Embeds photos: one model, or several joined.

    Attributes:
        specs: How a photo's inputs are made, for `PhotoReader`.
        digest: SHA-256 that changes with any of the models.
        num_traces: How often a model was traced.
    """

    @property
    def specs(self) -> Sequence[InputSpec]: ...  # noqa: D102
    @property
    def digest(self) -> str: ...  # noqa: D102
    @property
    def num_traces(self) -> int: ...  # noqa: D102

    def warm(self) -> None:
        """Runs every batch length once, so that no request waits for compilation."""

    def __call__(self, photos: Sequence[Prepared]) -> np.ndarray:
        """Embeds photos prepared by `specs`: rows (n, d) of length 1."""


class JoinedModels:
    """Models whose rows are joined as `glrtf.embeddings.joined_rows.join` joins their sets.

    Args:
        models: The models.
        votes: The weight of each model.
        adapter: Maps the joined rows, if any.
        rounded: Whether rows are rounded to float32, as in a set of mapped rows.
    """

    def __init__(
        self,
        models: Sequence[BatchModel],
        votes: Sequence[float],
        adapter: Adapter | None = None,
        rounded: bool = False,
    ) -> None:
        self.models = tuple(models)
        self.specs = [spec for model in models for spec in model.specs]
        self._votes, self._adapter, self._rounded = tuple(votes), adapter, rounded

    @property
    def digest(self) -> str:
        """SHA-256 that changes with any of the models, their votes and the adapter."""
        adapter = self._adapter.digest if self._adapter else ""
        return files.json_digest([[one.digest for one in self.models], self._votes, adapter])

    @property
    def num_traces(self) -> int:
        """How often a model was traced."""
        return sum(model.num_traces for model in self.models)

    def warm(self) -> None:
        """Runs every batch length once, so that no request waits for compilation."""
        for model in self.models:
            model.warm()

    def __call__(self, photos: Sequence[Prepared]) -> npt.NDArray[np.float64]:
        """Embeds photos prepared by `specs`: float64 rows (n, d) of length 1."""
        blocks, first = [], 0
        for model, vote in zip(self.models, self._votes, strict=True):
            own = slice(first, first + len(model.specs))
            first = own.stop
            inputs = [photo[own] if isinstance(photo, tuple) else photo for photo in photos]
            blocks.append(vote * model(inputs).astype(np.float64))
        rows = normalized(np.concatenate(blocks, axis=1))
        if self._adapter is None:
            return rows
        mapped = self._adapter.exactly(rows)
        return normalized(mapped.astype(np.float32).astype(np.float64)) if self._rounded else mapped
