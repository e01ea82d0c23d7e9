"""How a map of rows performs on landmarks that it was not fitted on.

The train landmarks are split into two halves. A map is fitted on one half and measured on the
other, then vice versa. Each photo of the measured half is a query; the other photos of that half
are the index.
"""

import dataclasses
import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.rows import RowSource, gather_rows
from glrtf.evaluation import bootstrap
from glrtf.evaluation.metrics import average_precision

Map = Callable[[npt.NDArray[np.floating]], npt.NDArray[np.floating]]

_MOST_ROWS = 20_000
"""The largest number of photos of a half that are measured."""
_QUERIES_AT_ONCE = 256
_K = 100


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """Average precision at 100 of each photo of a landmark that the map was not fitted on.

    Attributes:
        before: (photos,) float64, with the original rows.
        after: (photos,) float64, with the mapped rows.
        num_landmarks: How many landmarks the photos show.
    """

    before: npt.NDArray[np.float64]
    after: npt.NDArray[np.float64]
    num_landmarks: int

    def as_json(self) -> dict[str, Any]:
        """The means and the 95 % interval of their difference (paired bootstrap)."""
        gain = self.after - self.before
        return {
            "landmarks": self.num_landmarks,
            "queries": len(gain),
            "map@100_before": float(self.before.mean()),
            "map@100_after": float(self.after.mean()),
            "difference_interval": list(bootstrap.mean_interval(gain)),
        }

    def as_line(self) -> str:
        """The same as a sentence."""
        found = self.as_json()
        low, high = found["difference_interval"]
        return (
            f"landmarks that were not fitted on ({found['landmarks']}, {found['queries']} photos):"
            f" mAP@100 {found['map@100_before']:.3f} before, {found['map@100_after']:.3f} after"
            f" (difference {low:+.3f} to {high:+.3f})"
        )


def measure(
    rows: RowSource,
    landmarks: npt.NDArray[np.int64],
    fit: Callable[[npt.NDArray[np.bool_]], Map],
) -> HeldOut | None:
    """Fits on each half of the landmarks and measures on the other.

    Args:
        rows: The train rows.
        landmarks: (rows,) int64, the landmark of each row.
        fit: Fits a map on the rows selected by a mask (rows,) bool.

    Returns:
        The measurements; None if a half has no landmark with two photos.
    """
    in_first = halves(landmarks)
    before, after, count = [], [], 0
    for chosen in (in_first, ~in_first):
        photos = _photos(landmarks, ~chosen)
        if not len(photos) or not chosen.any():
            return None
        exact, shown = gather_rows(rows, photos), landmarks[photos]
        before.append(_leave_one_out(exact, shown))
        after.append(_leave_one_out(fit(chosen)(exact), shown))
        if not len(before[-1]):
            return None
        count += int((np.unique(shown, return_counts=True)[1] > 1).sum())
    return HeldOut(np.concatenate(before), np.concatenate(after), count)


def halves(landmarks: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """(rows,) bool, whether a row's landmark is in the first half; a digest of its id decides."""
    known, of_row = np.unique(landmarks, return_inverse=True)
    first = np.zeros(len(known), bool)
    first[_shuffled(known)[: len(known) // 2]] = True
    return first[of_row]


def of_whole_landmarks(landmarks: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.bool_]:
    """(rows,) bool, selects whole landmarks with at most `most` rows in total; 0 selects all."""
    chosen = np.ones(len(landmarks), bool)
    if 0 < most < len(landmarks):
        chosen[:] = False
        chosen[_photos(landmarks, np.ones(len(landmarks), bool), most)] = True
    return chosen


def _photos(
    landmarks: npt.NDArray[np.int64], wanted: npt.NDArray[np.bool_], most: int = _MOST_ROWS
) -> np.ndarray:
    """The wanted rows of whole landmarks, at most `most`, but those of one landmark at least."""
    known, counts = np.unique(landmarks[wanted], return_counts=True)
    order = _shuffled(known)
    few = int(np.searchsorted(np.cumsum(counts[order]), most, side="right"))
    return np.flatnonzero(wanted & np.isin(landmarks, known[order[: max(few, 1)]]))


def _shuffled(landmarks: np.ndarray) -> npt.NDArray[np.int64]:
    names = [hashlib.sha256(str(int(one)).encode()).digest() for one in landmarks]
    return np.array(sorted(range(len(names)), key=names.__getitem__), np.int64)


def _leave_one_out(rows: npt.NDArray[np.floating], landmarks: np.ndarray) -> np.ndarray:
    """The average precision of each photo whose landmark has another photo."""
    found = []
    rows = rows.astype(np.float32)
    k = min(_K, len(rows) - 1)
    for start in range(0, len(rows), _QUERIES_AT_ONCE):
        stop = min(start + _QUERIES_AT_ONCE, len(rows))
        places = np.arange(start, stop)
        scores = rows[start:stop] @ rows.T
        scores[places - start, places] = -np.inf
        relevant = landmarks[start:stop, None] == landmarks
        num_relevant = relevant.sum(axis=1) - 1
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        hits = np.take_along_axis(relevant, order, axis=1)
        scored = num_relevant > 0
        found.append(average_precision(hits[scored], num_relevant[scored], _K))
    return np.concatenate(found)
