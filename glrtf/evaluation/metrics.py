"""Retrieval metrics: one number per query.

In all functions, `hits` is (Q, k) bool: whether the prediction at a rank is right and occurs for
the first time. A repeated prediction is not a hit, but it keeps its rank. The caller averages over
queries.
"""

import numpy as np


def average_precision(
    hits: np.ndarray, num_relevant: np.ndarray, max_predictions: int | None = None
) -> np.ndarray:
    """Average precision as the Google Landmark Retrieval competitions define it.

    AP = sum over ranks r <= k of hit_r * (hits up to r) / r, divided by
    min(number of relevant images, k).

    Args:
        hits: (Q, n) bool.
        num_relevant: (Q,) int, at least 1.
        max_predictions: k, which may be larger than n; None takes n.

    Returns:
        (Q,) float64 in 0..1.
    """
    k = hits.shape[1] if max_predictions is None else max_predictions
    hits = hits[:, :k]
    precision_sum = np.zeros(len(hits))
    found = np.zeros(len(hits))
    for rank in range(hits.shape[1]):
        found += hits[:, rank]
        precision_sum += hits[:, rank] * found / (rank + 1)
    return precision_sum / np.minimum(num_relevant, k)


def precision_at(hits: np.ndarray, k: int) -> np.ndarray:
    """Hits up to rank k, divided by k even if fewer images were predicted.

    Returns:
        (Q,) float64 in 0..1.
    """
    return hits[:, :k].sum(axis=1) / k


def recall_at(hits: np.ndarray, num_relevant: np.ndarray, k: int) -> np.ndarray:
    """Hits up to rank k, divided by the number of relevant images.

    Returns:
        (Q,) float64 in 0..1.
    """
    return hits[:, :k].sum(axis=1) / num_relevant


def first_hit_rank(hits: np.ndarray) -> np.ndarray:
    """The rank, from 1, of the first hit; k + 1 for a query without hits.

    Returns:
        (Q,) int64 in 1..k + 1.
    """
    if hits.shape[1] == 0:
        return np.ones(len(hits), np.int64)
    return np.where(hits.any(axis=1), hits.argmax(axis=1), hits.shape[1]) + 1


def global_average_precision(correct: np.ndarray, scores: np.ndarray, num_positives: int) -> float:
    """Global average precision (GAP), the micro-AP of the recognition competitions.

    The predictions of all images form one list by descending score; equal scores keep the given
    order. GAP = sum over ranks r of correct_r * (correct up to r) / r, divided by the number of
    images that show a landmark.

    Args:
        correct: (N,) bool.
        scores: (N,) float.
        num_positives: Number of images that show a landmark, at least 1.
    """
    order = np.argsort(-scores, kind="stable")
    right = correct[order]
    ranks = np.arange(1, len(right) + 1)
    return float((right * np.cumsum(right) / ranks).sum() / num_positives)
