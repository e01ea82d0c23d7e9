"""Recognises the landmarks of many images, with the same confidences as for single photos."""

import dataclasses
import math
import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from glrtf.config.recognition import RecognizeConfig
from glrtf.config.service import EvaluateIndexConfig
from glrtf.embeddings.adapted_rows import AdaptedRows, adapted
from glrtf.embeddings.adapter import load as load_adapter
from glrtf.embeddings.agreement import Agreement
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.embeddings.joined_rows import JoinedRows, join
from glrtf.embeddings.rows import RowSource
from glrtf.retrieval.bridging.landmark_confidence import NO_LANDMARK
from glrtf.retrieval.bundle import open_bundle
from glrtf.service import calibrating, curve_data, index_quality
from glrtf.service.calibration import Curve
from glrtf.service.landmark_evidence import LandmarkFinder
from glrtf.service.row_searcher import RowSearcher
from glrtf.service.searched import open_searched
from tfrecords_tools.errors import UserError


@dataclasses.dataclass(frozen=True)
class Recognitions:
    """The landmark of every image.

    Attributes:
        ids: (images,) S dtype.
        landmarks: (images,) int64; -1 for none.
        confidences: (images,) float64, the probability that the landmark is right, 0 to 1; without
            a curve, the landmark confidence C. -inf for no landmark.
        curve: From C to probabilities; None if there are too few images to fit one.
        source: A description of the images that it was fitted on.
    """

    ids: npt.NDArray[np.bytes_]
    landmarks: npt.NDArray[np.int64]
    confidences: npt.NDArray[np.float64]
    curve: Curve | None
    source: str


def recognize_rows(config: RecognizeConfig) -> Recognitions:
    """Recognises all images of a set.

    Raises:
        UserError: On an incomplete set, sets of different models, or a table that does not match.
    """
    agreement = Agreement()
    if config.bundle:
        query, finder, curve, source = _by_bundle(config, agreement)
    else:
        query = _opened(config, "query", config.query, agreement)
        finder, curve, source = _finder_and_curve(config, agreement)
    found = finder.of_set(query, "landmarks of the queries")
    landmarks, confidences = found.landmarks[:, 0], found.confidences[:, 0]
    if curve is not None:
        confidences = np.array([_probability(curve, each) for each in confidences.tolist()])
        landmarks = np.where(confidences < config.least, NO_LANDMARK, landmarks)
    confidences = np.where(landmarks == NO_LANDMARK, -np.inf, confidences)
    return Recognitions(query.ids, landmarks, confidences, curve, source)


def _by_bundle(
    config: RecognizeConfig, agreement: Agreement
) -> tuple[RowSource, LandmarkFinder, Curve | None, str]:
    """The images' rows, joined like those of the bundle, and the bundle's finder and curve."""
    settings = EvaluateIndexConfig(
        bundle=config.bundle, search=config.search, cache=config.cache, verify=config.verify
    )
    searched = open_searched(settings)
    if searched.train is None:
        raise UserError(
            f"--bundle {config.bundle}: expected train images, by which landmarks are found, found"
            " none"
        )
    known = searched.train_sets
    sets = _sets_of(config, "query", config.query, len(known), "--bundle")
    for place, one in enumerate(known):
        agreement.add(one.folder, one.meta, place)
    for place, one in enumerate(sets):
        agreement.add(f"--query {one.folder}", one.meta, place)
    rows = open_bundle(config.bundle, config.verify).rows("index", sets)
    searcher = RowSearcher(searched, settings)
    calibration = calibrating.calibrated(searcher, settings)
    return rows, searcher.finder, calibration.landmark, calibration.source


def _probability(curve: Curve, confidence: float) -> float:
    return curve(confidence) if math.isfinite(confidence) else -math.inf


def _finder_and_curve(
    config: RecognizeConfig, agreement: Agreement
) -> tuple[LandmarkFinder, Curve | None, str]:
    """The finder of landmarks and its curve; with an index, the same as for ``glrtf search``."""
    train = _opened(config, "train", config.train, agreement)
    if config.index:
        settings = _as_searched(config)
        searched = open_searched(settings)
        agreement.add(f"--index {config.index}", searched.index_sets[0].meta)
        searcher = RowSearcher(searched, settings)
        calibration = calibrating.calibrated(searcher, settings)
        return searcher.finder, calibration.landmark, calibration.source
    finder = LandmarkFinder(train, config.landmarks, config.search, config.cache_folder)
    photos = index_quality.photos_of_set(finder.train, finder.of_rows, calibrating.MOST)
    curve = curve_data.landmark_curve(finder, photos)
    return finder, curve, f"{len(photos.rows)} train photos, each left out in turn"


def _as_searched(config: RecognizeConfig) -> EvaluateIndexConfig:
    """The settings of a search in that index."""
    return EvaluateIndexConfig(
        index=config.index,
        train=config.train[0],
        landmarks=config.landmarks,
        labels=config.labels,
        search=config.search,
        cache=config.cache,
        verify=config.verify,
    )


def _opened(
    config: RecognizeConfig, role: str, folders: Sequence[str], agreement: Agreement
) -> EmbeddingSet | JoinedRows | AdaptedRows:
    """The rows of a role; those of a single set as they are stored, as in ``glrtf search``."""
    sets = _sets_of(config, role, folders, len(config.train), "--train")
    for place, one in enumerate(sets):
        agreement.add(f"--{role} {one.folder}", one.meta, place)
    if config.adapter:
        return adapted(f"--{role}", sets, config.votes, load_adapter(config.adapter))
    if len(sets) == 1 and not config.votes:
        return sets[0]
    return join(sets, config.votes)


def _sets_of(
    config: RecognizeConfig, role: str, folders: Sequence[str], count: int, of: str
) -> list[EmbeddingSet]:
    """The sets of a role, one per model.

    Args:
        config: The settings.
        role: query or train.
        folders: The folders of the sets.
        count: The number of models.
        of: What has that many models, for messages.
    """
    sets = [EmbeddingSet.open(os.fspath(one), config.verify) for one in folders]
    if len(sets) != count:
        raise UserError(
            f"--{role}: expected {count} embedding sets as of {of}, found {len(sets)}; give one a"
            " model, in the same order"
        )
    if not len(sets[0].ids):
        raise UserError(f"--{role} {sets[0].folder}: expected at least one image, found none")
    return sets
