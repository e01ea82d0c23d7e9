"""The data that calibration curves are fitted to: scores, and whether answers were right."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.rows import ArrayRows
from glrtf.retrieval.bridging.landmark_confidence import NO_LANDMARK
from glrtf.service import calibration
from glrtf.service.calibration import Calibration, Curve
from glrtf.service.index_quality import AT_ONCE, Found, KnownPhotos
from glrtf.service.landmark_evidence import LandmarkFinder, LeftOut

# The number of photos of an answer that people look at.
_SHOWN = 24
# No answer has this landmark.
_NEVER = -2
# If at least this share of the index photos is labelled, the others show no landmark.
_LABELLED = 0.5


def landmark_curve(finder: LandmarkFinder, photos: KnownPhotos) -> Curve | None:
    """The curve of landmark confidences, as in `calibrate`.

    Args:
        finder: Finds the landmarks of photos.
        photos: Photos of known landmarks, each left out in turn.
    """
    parts = []
    for unknown in (False, True):
        for start in range(0, len(photos.rows), AT_ONCE):
            block = slice(start, start + AT_ONCE)
            truth = photos.landmarks[block]
            hidden = truth if unknown else np.full(len(truth), NO_LANDMARK)
            some = ArrayRows(photos.rows[block], "photos")
            kept = finder.of_photos(some, LeftOut(photos.ids[block], hidden)).confidences
            expected = _NEVER if unknown else truth[:, None]
            valid = np.isfinite(kept.confidences)
            parts.append((kept.confidences[valid], (kept.landmarks == expected)[valid]))
    return _curve(parts) if parts else None


def calibrate(
    photos: KnownPhotos, found: Found, unknown: Found, source: str, labelled: float
) -> Calibration:
    """Fits the curves of a calibration.

    If most index photos have a landmark, as in GLDv2, those without one count as wrong answers.
    Otherwise it is unknown what they show, and they do not count.

    Args:
        photos: The photos that were searched with.
        found: The answers.
        unknown: The answers of searches as if the landmarks were new; all of them are wrong.
        source: A description of the photos.
        labelled: Share of index photos whose landmark is known.
    """
    least = NO_LANDMARK if labelled >= _LABELLED else NO_LANDMARK + 1
    truth = np.where(photos.landmarks == NO_LANDMARK, _NEVER, photos.landmarks)[:, None]
    marks, seen = [], []
    for one, right in ((found, truth), (unknown, np.full_like(truth, _NEVER))):
        valid = np.isfinite(one.confidences)
        marks.append((one.confidences[valid], (one.marks == right)[valid]))
        shown, final = one.shown[:, :_SHOWN], one.final[:, :_SHOWN]
        counted = shown >= least
        seen.append((np.cbrt(final[counted]), (shown == right)[counted]))
    return Calibration(_curve(marks), _curve(seen), source)


def _curve(
    parts: Sequence[tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]],
) -> Curve | None:
    scores, right = zip(*parts, strict=True)
    return calibration.fit(np.concatenate(scores), np.concatenate(right))
