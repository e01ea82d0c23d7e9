"""Answers for photos; models, index and train photos are opened once."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from glrtf.config.service import MOST_ANSWERS, SearcherConfig
from glrtf.data.input_spec import InputSpec
from glrtf.inference.embedders import load_embedder
from glrtf.service import bundled, model_agreement
from glrtf.service.answers import Answer
from glrtf.service.batch_model import BatchModel
from glrtf.service.calibrating import calibrated
from glrtf.service.joined_models import PhotoModel
from glrtf.service.photo_input import Prepared
from glrtf.service.query_searcher import QuerySearcher
from glrtf.service.searched import Searched, open_searched
from tfrecords_tools.errors import UserError


class Searcher(QuerySearcher):
    """A `RowSearcher` for photos.

    Args:
        model: The model, or several joined.
        searched: The photos and settings.
        config: See `RowSearcher`.
        photos: How the model embeds photos, for the comparison with new versions of the index; see
            `model_agreement.description`. None compares nothing.

    Attributes:
        model: The model.

    Raises:
        UserError: If a table does not match, or photos cannot be ranked with these settings.
    """

    def __init__(
        self,
        model: PhotoModel,
        searched: Searched,
        config: SearcherConfig,
        photos: Mapping[str, Any] | None = None,
    ) -> None:
        self.model, self._photos = model, photos
        self._refuse_unlike(searched)
        super().__init__(searched, config)

    def with_index(self, searched: Searched) -> Self:
        """A searcher of another version of the index; model and train photos stay open.

        Raises:
            UserError: As for a new searcher.
        """
        self._refuse_unlike(searched)
        return super().with_index(searched)

    def with_sets(self, searched: Searched) -> "Searcher":
        """A searcher of other versions of index and train photos; the model stays loaded.

        Raises:
            UserError: As for a new searcher.
        """
        return Searcher(self.model, searched, self._config, self._photos)

    def _refuse_unlike(self, searched: Searched) -> None:
        """Refuses sets that were not embedded with the same model, views and size as photos are."""
        if self._photos is not None:
            sets = [*searched.index_sets, *searched.train_sets]
            model_agreement.refuse_unlike(self._photos, sets, " (see --tta, --precision)")

    def search(self, photos: Sequence[Prepared], limit: int = MOST_ANSWERS) -> list[Answer]:
        """Answers for photos.

        Args:
            photos: The model's inputs, prepared by `PhotoReader` with its `specs`.
            limit: The largest number of index photos per answer.
        """
        return self.answer(self.model(photos), limit)

    @property
    def input_specs(self) -> Sequence[InputSpec]:
        """How the model's inputs are made."""
        return self.model.specs

    def embedded(self, photos: Sequence[Prepared]) -> np.ndarray:
        """Embeds photos prepared by `input_specs`: rows (photos, d)."""
        return self.model(photos)


def load_searcher(config: SearcherConfig, max_batch: int = 32) -> Searcher:
    """Opens the sets and loads the models, without a calibration.

    Args:
        config: The settings.
        max_batch: The largest number of photos per model call.

    Raises:
        UserError: If a set was embedded with another model, views, scales or size, or a table does
            not match.
    """
    if config.bundle:
        searched, joined, notes = bundled.load(config, max_batch)
        _show(notes)
        return Searcher(joined, searched, config)
    searched = open_searched(config)
    embedder = load_embedder(
        config.model,
        precision=config.precision,
        runtime=config.runtime,
        descriptor=config.descriptor,
        recorded=None if config.asymmetric else searched.index_sets[0].meta.get("preparation"),
        light=True,
    )
    embedder = embedder.adapted_by(config.adapter)
    if config.asymmetric:
        _refuse_length(embedder.dimension, searched, config)
        return Searcher(BatchModel(embedder, config.tta, max_batch), searched, config)
    photos = model_agreement.description(embedder, config.tta)
    searcher = Searcher(BatchModel(embedder, config.tta, max_batch), searched, config, photos)
    _show(model_agreement.notes(photos, [*searched.index_sets, *searched.train_sets]))
    return searcher


def _refuse_length(dimension: int, searched: Searched, config: SearcherConfig) -> None:
    """Rows of a model that did not embed the sets must at least have their length."""
    if dimension != searched.index.dimension:
        raise UserError(
            f"--model {config.model}: expected rows of {searched.index.dimension} numbers as those"
            f" of {config.index}, found {dimension}; with --asymmetric train it towards rows of"
            " these sets with --distill.projection none"
        )


def _show(notes: Sequence[str]) -> None:
    for note in notes:
        print(f"note: {note}", file=sys.stderr)


def open_searcher(config: SearcherConfig, max_batch: int = 32) -> Searcher:
    """Like `load_searcher`, but with a calibration, from the cache or computed.

    Args:
        config: The settings.
        max_batch: The largest number of photos per model call.
    """
    searcher = load_searcher(config, max_batch)
    searcher.calibration = calibrated(searcher, config)
    return searcher
