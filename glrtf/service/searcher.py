"""Answers for photos: model, index and train photos opened once."""

import json
from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt

from glrtf.config.service import MOST_ANSWERS, SearcherConfig
from glrtf.data.input_spec import InputSpec
from glrtf.embeddings.agreement import Agreement
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.inference.embedder import Embedder
from glrtf.inference.embedders import load_embedder
from glrtf.service.answers import Answer
from glrtf.service.batch_model import BatchModel
from glrtf.service.calibrating import calibrated
from glrtf.service.query_searcher import QuerySearcher
from tfrecords_tools.errors import UserError


class Searcher(QuerySearcher):
    """A `RowSearcher` for photos.

    Args:
        model: The model.
        index: What is searched.
        config: See `RowSearcher`.

    Attributes:
        model: The model.

    Raises:
        UserError: If a set was embedded with another model, views, scales or size, or a table does
            not fit.
    """

    def __init__(self, model: BatchModel, index: EmbeddingSet, config: SearcherConfig) -> None:
        self.model = model
        _refuse_unlike(model.embedder, config, [index])
        super().__init__(index, config)
        if self.train:
            _refuse_unlike(model.embedder, config, [self.train])

    def with_index(self, index: EmbeddingSet) -> Self:
        """A searcher of another version of the index; model and train photos stay opened.

        Raises:
            UserError: As for a new searcher.
        """
        _refuse_unlike(self.model.embedder, self._config, [index])
        return super().with_index(index)

    def search(self, photos: Sequence[np.ndarray], limit: int = MOST_ANSWERS) -> list[Answer]:
        """Answers for photos.

        Args:
            photos: Pixels uint8 (size, size, 3).
            limit: How many index photos each, at most.
        """
        return self.answer(self.model(photos), limit)

    @property
    def input_spec(self) -> InputSpec:
        """How photos are made for the model."""
        return self.model.embedder.spec()

    def embedded(self, photos: Sequence[np.ndarray]) -> npt.NDArray[np.float32]:
        """Rows float32 (photos, d) of pixels uint8 (size, size, 3)."""
        return self.model(photos)


def load_searcher(config: SearcherConfig, max_batch: int = 32) -> Searcher:
    """Opens the sets and loads the model; how sure answers are is not known yet.

    Args:
        config: What to search with.
        max_batch: Most photos of one model call.
    """
    index = EmbeddingSet.open(config.index, config.verify)
    embedder = load_embedder(
        config.model,
        precision=config.precision,
        runtime=config.runtime,
        descriptor=config.descriptor,
        recorded=index.meta.get("preparation"),
        light=True,
    )
    embedder = embedder.adapted_by(config.adapter)
    return Searcher(BatchModel(embedder, config.tta, max_batch), index, config)


def open_searcher(config: SearcherConfig, max_batch: int = 32) -> Searcher:
    """As `load_searcher`; how sure answers are is looked up, or worked out.

    Args:
        config: What to search with.
        max_batch: Most photos of one model call.
    """
    searcher = load_searcher(config, max_batch)
    searcher.calibration = calibrated(searcher, config)
    return searcher


def _refuse_unlike(
    embedder: Embedder, config: SearcherConfig, sets: Sequence[EmbeddingSet]
) -> None:
    """Photos are embedded here as the sets must have been: by the same model, views and size."""
    for one in sets:
        found = one.meta.get("model_digest")
        if found != embedder.digest and (found or one.meta.get("model") != embedder.name):
            # A model prepared otherwise has another digest: the setting says more.
            prepared = Agreement()
            prepared.add("the photos searched for", {"preparation": embedder.preparation})
            prepared.add(one.folder, {"preparation": one.meta.get("preparation")})
            raise UserError(
                f"{one.folder}: expected a set embedded with {embedder.name} (model digest"
                f" {embedder.digest[:12]}…), found {json.dumps(found)[:14]}… of the model"
                f" {one.meta.get('model')}; embed it with this model, or name the --adapter that"
                " mapped it"
            )
    agreement = Agreement()
    ours = {
        "size": embedder.size,
        "max_side": embedder.max_side or 0,
        "antialias": embedder.antialias,
        "precision": embedder.precision,
        "preparation": embedder.preparation,
        "tta": list(config.tta),
        "scales": [1.0],
    }
    agreement.add("the photos searched for (see --tta, --precision)", ours)
    for one in sets:
        agreement.add(one.folder, one.meta)
