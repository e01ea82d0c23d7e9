"""Bootstrap intervals of GAP and of the difference between two GAPs.

GAP is not a mean over images, because the predictions of all images form one list. So images are
drawn with replacement, and GAP is computed for each sample (Efron, 1979).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from glrtf.evaluation import metrics
from glrtf.evaluation.solutions import RecognitionSolution
from glrtf.evaluation.submissions import Recognition

_TAIL = 0.025


class ScoredRecognition:
    """Which predictions for a set of images are right.

    Args:
        predictions: The predictions by image; an image may have none.
        truth: The landmarks that each image shows; every image is listed.

    Attributes:
        order: (images,) int64, the images by the rank of their predictions; images without a
            prediction are last.
        correct: (images,) bool, by rank.
        positive: (images,) bool, by rank: whether the image shows a landmark.
    """

    def __init__(
        self, predictions: Mapping[str, Recognition], truth: Mapping[str, frozenset[int]]
    ) -> None:
        ids = sorted(truth)
        none = Recognition(-1, -np.inf)
        found = [predictions.get(image_id, none) for image_id in ids]
        scores = np.array([one.score for one in found], float)
        self.order = np.argsort(-scores, kind="stable")
        right = [one.landmark_id in truth[i] for i, one in zip(ids, found, strict=True)]
        self.correct = np.array(right, bool)[self.order]
        self.positive = np.array([bool(truth[i]) for i in ids], bool)[self.order]

    def gap(self, draws: npt.NDArray[np.int64]) -> float:
        """GAP of a sample.

        Args:
            draws: (images,) how often each image was drawn; images by ascending id.
        """
        places = np.repeat(np.arange(len(self.order)), draws[self.order])
        positives = int(self.positive[places].sum())
        if not positives:
            return 0.0
        scores = -np.arange(len(places), dtype=float)
        return metrics.global_average_precision(self.correct[places], scores, positives)


def resampled(
    several: Sequence[ScoredRecognition], resamples: int, seed: int = 0
) -> npt.NDArray[np.float64]:
    """(several, resamples) float64, the GAP of each on the same samples.

    Args:
        several: Predictions for the same images.
        resamples: Number of samples.
        seed: The same seed draws the same samples.
    """
    generator = np.random.default_rng(seed)
    count = len(several[0].order)
    values = np.empty((len(several), resamples))
    for number in range(resamples):
        draws = np.bincount(generator.integers(0, count, count), minlength=count)
        values[:, number] = [one.gap(draws) for one in several]
    return values


def interval(values: npt.NDArray[np.float64]) -> list[float]:
    """The 95 % percentile interval of (resamples,) values."""
    return [float(end) for end in np.quantile(values, [_TAIL, 1 - _TAIL])]


def intervals(
    predictions: Mapping[str, Recognition], solution: RecognitionSolution, resamples: int
) -> dict[str, list[float]]:
    """The interval of GAP for each part of the test set; parts without landmarks are left out."""
    return {
        part: interval(resampled([ScoredRecognition(predictions, truth)], resamples)[0])
        for part, truth in solution.parts().items()
    }


def paired_difference(
    predictions: Mapping[str, Recognition],
    others: Mapping[str, Recognition],
    solution: RecognitionSolution,
    resamples: int,
) -> dict[str, dict[str, Any]]:
    """How much higher the GAP of other predictions is, for each part of the test set.

    Returns:
        For each part, ``difference`` (others minus these) and, with resamples, ``interval`` (95 %,
        paired).
    """
    differences: dict[str, dict[str, Any]] = {}
    for part, truth in solution.parts().items():
        both = [ScoredRecognition(one, truth) for one in (predictions, others)]
        once = np.ones(len(truth), np.int64)
        differences[part] = {"difference": both[1].gap(once) - both[0].gap(once)}
        if resamples:
            values = resampled(both, resamples)
            differences[part]["interval"] = interval(values[1] - values[0])
    return differences
