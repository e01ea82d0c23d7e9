"""The answers that a calibration's curves are fitted to: scores, and whether each was right."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.rows import ArrayRows
from glrtf.retrieval.bridging.landmark_confidence import NO_LANDMARK
from glrtf.service import calibration
from glrtf.service.calibration import Calibration, Curve
from glrtf.service.index_quality import AT_ONCE, Found, KnownPhotos
from glrtf.service.landmark_evidence import LandmarkFinder, LeftOut

# How many photos of an answer people look at.
_SHOWN = 24
# No answer has this landmark.
_NEVER = -2
# From this share of labelled index photos on, the others show no landmark.
_LABELLED = 0.5


def landmark_curve(finder: LandmarkFinder, photos: KnownPhotos) -> Curve | None:
    """The probability that a landmark is right, as in `calibrate`.

    Args:
        finder: Finds landmarks.
        photos: Photos of known landmarks, left out in turn.
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
    """Probabilities that answers are right.

    Index photos without a landmark count as wrong answers if most index photos have one, as in
    GLDv2, where the others show none; otherwise their content is unknown, and they do not count.

    Args:
        photos: The photos that were searched with.
        found: The answers.
        unknown: The answers as if the landmarks were new; all of them are wrong.
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
