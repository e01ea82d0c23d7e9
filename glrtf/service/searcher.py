"""Answers for photos: models, index and train photos opened once."""

import sys
from collections.abc import Sequence

from glrtf.config.service import MOST_ANSWERS, SearcherConfig
from glrtf.inference.embedders import load_embedder
from glrtf.service import bundled, model_agreement
from glrtf.service.answers import Answer
from glrtf.service.batch_model import BatchModel
from glrtf.service.calibrating import calibrated
from glrtf.service.joined_models import PhotoModel
from glrtf.service.photo_input import Prepared
from glrtf.service.row_searcher import RowSearcher
from glrtf.service.searched import Searched, open_searched


class Searcher(RowSearcher):
    """A `RowSearcher` for photos.

    Args:
        model: The model, or several joined.
        searched: What is searched.
        config: See `RowSearcher`.

    Attributes:
        model: The model.

    Raises:
        UserError: If a table does not fit, or photos cannot be ranked so.
    """

    def __init__(self, model: PhotoModel, searched: Searched, config: SearcherConfig) -> None:
        self.model = model
        super().__init__(searched, config)

    def search(self, photos: Sequence[Prepared], limit: int = MOST_ANSWERS) -> list[Answer]:
        """Answers for photos.

        Args:
            photos: As `PhotoReader` makes them by the model's `specs`.
            limit: How many index photos each, at most.
        """
        return self.answer(self.model(photos), limit)


def load_searcher(config: SearcherConfig, max_batch: int = 32) -> Searcher:
    """Opens the sets and loads the models; how sure answers are is not known yet.

    Args:
        config: What to search with.
        max_batch: Most photos of one model call.

    Raises:
        UserError: If a set was embedded with another model, views, scales or size, or a table does
            not fit.
    """
    model: PhotoModel
    if config.bundle:
        searched, model, notes = bundled.load(config, max_batch)
    else:
        searched = open_searched(config)
        model, notes = _load_one(config, searched, max_batch)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    return Searcher(model, searched, config)


def _load_one(
    config: SearcherConfig, searched: Searched, max_batch: int
) -> tuple[BatchModel, list[str]]:
    """The model that flags name, compared with the sets; notes for the user."""
    embedder = load_embedder(
        config.model,
        precision=config.precision,
        runtime=config.runtime,
        descriptor=config.descriptor,
        recorded=searched.index_sets[0].meta.get("preparation"),
        light=True,
    )
    embedder = embedder.adapted_by(config.adapter)
    sets = [*searched.index_sets, *searched.train_sets]
    photos = model_agreement.description(embedder, config.tta)
    model_agreement.refuse_unlike(photos, sets, " (see --tta, --precision)")
    notes = model_agreement.notes(photos, sets)
    return BatchModel(embedder, config.tta, max_batch), notes


def open_searcher(config: SearcherConfig, max_batch: int = 32) -> Searcher:
    """As `load_searcher`; how sure answers are is looked up, or worked out.

    Args:
        config: What to search with.
        max_batch: Most photos of one model call.
    """
    searcher = load_searcher(config, max_batch)
    searcher.calibration = calibrated(searcher, config)
    return searcher
