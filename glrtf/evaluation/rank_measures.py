"""Metrics of rankings of any length, computed per query from the ranks of its hits.

With R relevant images and hits at ranks h_1 < h_2 < …, counted from 1:

    map            mean of Σ i / h_i / R
    map_trapezoid  area under the precision-recall curve by trapezoids, as for Oxford and INSTRE
    map@k          mean of Σ (h_i ≤ k) i / h_i / min(R, k)
    recall@k       hits up to k / R
    hit@k          1 if there is a hit up to k, else 0; metric learning calls it recall@k
    precision@k    hits up to k / k
    r_precision    hits up to R / R
    mmp@5          hits up to min(R, 5) / min(R, 5) (Ypsilantis et al., ICCV 2023: UnED)
    mrr            1 / h_1
    ndcg@k         Σ (h_i ≤ k) 1 / log2(h_i + 1), divided by that sum with hits at 1 to min(R, k)
    ndcg           the same over the whole ranking

A relevant image that is not ranked is not a hit.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from glrtf.evaluation import revisited

Hits = Sequence[npt.NDArray[np.int64]]
"""The ranks of each query's hits, from 1, ascending."""

_Measure: TypeAlias = Callable[[npt.NDArray[np.int64], int, int], float]
"""From a query's hits, R and k to its value."""
_MMP_RANK = 5


def measures(
    hits: Hits, num_relevant: npt.NDArray[np.int64], ranks: Sequence[int]
) -> dict[str, npt.NDArray[np.float64]]:
    """All metrics of every query.

    Args:
        hits: The ranks of each query's hits.
        num_relevant: (Q,) int64, R, at least 1.
        ranks: The values of k for the metrics at k.

    Returns:
        (Q,) float64 in 0..1 by name.
    """
    longest = max([int(num_relevant.max(initial=1)), *(int(h[-1]) for h in hits if len(h))])
    discounts = 1 / np.log2(np.arange(longest) + 2)
    ideal = np.concatenate([[0.0], np.cumsum(discounts)])

    def ndcg(found: npt.NDArray[np.int64], relevant: int, k: int) -> float:
        gained = discounts[found[: up_to(found, k)] - 1].sum()
        return float(gained / ideal[min(relevant, k)])

    def each(measure: _Measure, k: int = longest) -> npt.NDArray[np.float64]:
        pairs = zip(hits, num_relevant.tolist(), strict=True)
        return np.array([measure(found, relevant, k) for found, relevant in pairs], np.float64)

    at_ranks: dict[str, _Measure] = {
        "map": average_precision,
        "recall": _recall,
        "hit": _hit,
        "precision": _precision,
    }
    values = {"map": each(average_precision), "map_trapezoid": each(_trapezoids)}
    for name, measure in at_ranks.items():
        values |= {f"{name}@{k}": each(measure, k) for k in ranks}
    values["r_precision"] = each(_precision_of_relevant)
    values[f"mmp@{_MMP_RANK}"] = each(_precision_of_relevant, _MMP_RANK)
    values["mrr"] = each(_reciprocal_rank)
    values["ndcg"] = each(ndcg)
    return values | {f"ndcg@{k}": each(ndcg, k) for k in ranks}


def up_to(hits: npt.NDArray[np.int64], k: int) -> int:
    """The number of hits among the first k."""
    return int(np.searchsorted(hits, k, side="right"))


def average_precision(hits: npt.NDArray[np.int64], num_relevant: int, k: int) -> float:
    """Average precision at k, divided by the largest possible number of hits."""
    hits = hits[: up_to(hits, k)]
    return float((np.arange(1, len(hits) + 1) / hits).sum() / min(num_relevant, k))


def _recall(hits: npt.NDArray[np.int64], num_relevant: int, k: int) -> float:
    return up_to(hits, k) / num_relevant


def _hit(hits: npt.NDArray[np.int64], _: int, k: int) -> float:
    return float(up_to(hits, k) > 0)


def _precision(hits: npt.NDArray[np.int64], _: int, k: int) -> float:
    return up_to(hits, k) / k


def _precision_of_relevant(hits: npt.NDArray[np.int64], num_relevant: int, k: int) -> float:
    """Precision at R, or at k if k is smaller."""
    return _precision(hits, num_relevant, min(num_relevant, k))


def _reciprocal_rank(hits: npt.NDArray[np.int64], _: int, k: int) -> float:
    return 1 / int(hits[0]) if len(hits) else 0.0


def _trapezoids(hits: npt.NDArray[np.int64], num_relevant: int, _: int) -> float:
    return revisited.average_precision((hits - 1).tolist(), num_relevant)
