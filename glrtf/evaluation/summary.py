"""The metrics of a scored submission, for each part of the test set."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from glrtf.evaluation import bootstrap, metrics
from glrtf.evaluation.id_forms import lost_form_hint
from glrtf.evaluation.scoring import ScoredSubmission
from glrtf.evaluation.solutions import RecognitionSolution
from glrtf.evaluation.submissions import Recognition
from tfrecords_tools.errors import UserError

PRECISION_RANKS = (1, 5, 10, 100)
RECALL_RANKS = (1, 10, 100)


def parts(usage: np.ndarray) -> dict[str, np.ndarray]:
    """The parts of a test set that are reported separately.

    Args:
        usage: (Q,) str, ``Public`` or ``Private``.

    Returns:
        A (Q,) bool mask of the queries for each of ``Public``, ``Private`` and ``All``; a part
        without queries is left out.
    """
    masks = {part: usage == part for part in ("Public", "Private")}
    masks["All"] = np.ones(len(usage), bool)
    return {part: mask for part, mask in masks.items() if mask.any()}


def average_precisions(scored: ScoredSubmission) -> np.ndarray:
    """(Q,) float64, the average precision of each query at the submission's k."""
    return metrics.average_precision(scored.hits, scored.num_relevant)


def retrieval_measures(scored: ScoredSubmission, *, resamples: int) -> dict[str, dict[str, Any]]:
    """The metrics of a retrieval submission, for each part of the test set.

    Args:
        scored: The scored submission.
        resamples: Bootstrap resamples for the interval of mAP; 0 leaves it out.

    Returns:
        For each part: ``queries``, ``map@100``, ``map@100_interval`` (95 %), ``precision@k``,
        ``recall@k``, ``first_hit_rank_mean`` and ``_median`` (k + 1 without a hit), and
        ``queries_without_hit``.
    """
    hits, num_relevant = scored.hits, scored.num_relevant
    k = hits.shape[1]
    columns = {f"map@{k}": average_precisions(scored)}
    columns |= {f"precision@{r}": metrics.precision_at(hits, r) for r in PRECISION_RANKS}
    columns |= {f"recall@{r}": metrics.recall_at(hits, num_relevant, r) for r in RECALL_RANKS}
    first = metrics.first_hit_rank(hits)
    masks = parts(scored.usage)
    intervals = _intervals([columns[f"map@{k}"][mask] for mask in masks.values()], resamples)
    measures: dict[str, dict[str, Any]] = {}
    for (part, mask), interval in zip(masks.items(), intervals, strict=True):
        measures[part] = {"queries": int(mask.sum()), f"map@{k}": None}
        if interval:
            measures[part][f"map@{k}_interval"] = interval
        measures[part] |= {name: float(values[mask].mean()) for name, values in columns.items()}
        measures[part]["first_hit_rank_mean"] = float(first[mask].mean())
        measures[part]["first_hit_rank_median"] = float(np.median(first[mask]))
        measures[part]["queries_without_hit"] = int((first[mask] > k).sum())
    return measures


def _intervals(several: Sequence[np.ndarray], resamples: int) -> list[list[float]]:
    """The interval of each mean by name; empty without resamples."""
    if not resamples:
        return [[] for _ in several]

    def interval(values: np.ndarray) -> list[float]:
        return list(bootstrap.mean_interval(values, resamples=resamples))

    with ThreadPoolExecutor() as threads:
        return list(threads.map(interval, several))


def paired_difference(
    scored: ScoredSubmission, other: ScoredSubmission, *, resamples: int
) -> dict[str, dict[str, Any]]:
    """How much higher another submission scores, query by query.

    Returns:
        For each part: ``difference`` of mAP (other minus scored), ``interval`` (95 %, paired
        bootstrap), and the numbers of queries that are ``better`` and ``worse``.
    """
    gain = average_precisions(other) - average_precisions(scored)
    differences: dict[str, dict[str, Any]] = {}
    for part, mask in parts(scored.usage).items():
        values = gain[mask]
        differences[part] = {
            "difference": float(values.mean()),
            "better": int((values > 0).sum()),
            "worse": int((values < 0).sum()),
        }
        if resamples:
            interval = bootstrap.mean_interval(values, resamples=resamples)
            differences[part]["interval"] = list(interval)
    return differences


def recognition_measures(
    predictions: Mapping[str, Recognition], solution: RecognitionSolution, *, name: str
) -> dict[str, dict[str, Any]]:
    """The metrics of a recognition submission, for each part of the test set.

    Equal scores are ranked by image id, then by landmark number, as on Kaggle.

    Args:
        predictions: The predictions by image; an image may have none.
        solution: The ground truth.
        name: What the submission is called in messages.

    Returns:
        For each part: ``images``, ``images_with_landmark``, ``predictions``, ``gap``,
        ``gap_landmarks_only`` (without the images that show no landmark) and ``top1`` (over the
        images with a landmark).

    Raises:
        UserError: If an image is not in the solution.
    """
    for image_id in predictions:
        if image_id not in solution.usage:
            hint = lost_form_hint(image_id, solution.usage) or "remove its line"
            raise UserError(f"{name}: image {image_id!r} is not in the solution; {hint}")
    return {part: _recognition_part(predictions, truth) for part, truth in solution.parts().items()}


def _recognition_part(
    predictions: Mapping[str, Recognition], truth: Mapping[str, frozenset[int]]
) -> dict[str, Any]:
    scored = sorted((i, p.landmark_id, p.score) for i, p in predictions.items() if i in truth)
    correct = np.array([landmark in truth[i] for i, landmark, _ in scored], bool)
    scores = np.array([score for _, _, score in scored], float)
    has_landmark = np.array([bool(truth[i]) for i, _, _ in scored], bool)
    positives = sum(bool(landmarks) for landmarks in truth.values())
    gap = metrics.global_average_precision
    return {
        "images": len(truth),
        "images_with_landmark": positives,
        "predictions": len(scored),
        "gap": gap(correct, scores, positives),
        "gap_landmarks_only": gap(correct[has_landmark], scores[has_landmark], positives),
        "top1": float(correct.sum() / positives),
    }
