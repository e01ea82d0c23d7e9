"""Measures of rankings of any depth, each query by the ranks of its hits.

With R relevant images and hits at the ranks h_1 < h_2 < … from 1:

    map            mean of Σ i / h_i / R
    map_trapezoid  area under the precision-recall curve by trapezoids, as for Oxford and INSTRE
    map@k          mean of Σ (h_i ≤ k) i / h_i / min(R, k)
    recall@k       hits up to k / R
    hit@k          1 for any hit up to k, called recall@k in metric learning
    precision@k    hits up to k / k
    r_precision    hits up to R / R
    mmp@5          hits up to min(R, 5) / min(R, 5) (Ypsilantis et al., ICCV 2023: UnED)
    mrr            1 / h_1
    ndcg@k         Σ (h_i ≤ k) 1 / log2(h_i + 1), divided by that sum with hits at 1 to min(R, k)
    ndcg           the same without k

An image that is not ranked is not found.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from glrtf.evaluation import revisited

Hits = Sequence[npt.NDArray[np.int64]]
"""For each query the ranks of its hits, from 1, ascending."""

_MMP_RANK = 5


def measures(
    hits: Hits, num_relevant: npt.NDArray[np.int64], ranks: Sequence[int]
) -> dict[str, npt.NDArray[np.float64]]:
    """All measures of every query.

    Args:
        hits: The ranks of each query's hits.
        num_relevant: (Q,) int64, R, at least 1.
        ranks: The k of map@k and its like.

    Returns:
        Name -> (Q,) float64 in 0..1.
    """
    pairs = list(zip(hits, num_relevant.tolist(), strict=True))

    def each(measure: Callable[[npt.NDArray[np.int64], int], float]) -> npt.NDArray[np.float64]:
        return np.array([measure(*pair) for pair in pairs], np.float64)

    found = {"map": each(_precisions), "map_trapezoid": each(_trapezoids)}
    found |= {f"map@{k}": each(lambda h, r, k=k: average_precision(h, r, k)) for k in ranks}
    found |= {f"recall@{k}": each(lambda h, r, k=k: up_to(h, k) / r) for k in ranks}
    found |= {f"hit@{k}": each(lambda h, _, k=k: float(up_to(h, k) > 0)) for k in ranks}
    found |= {f"precision@{k}": each(lambda h, _, k=k: up_to(h, k) / k) for k in ranks}
    found["r_precision"] = each(lambda h, r: up_to(h, r) / r)
    found[f"mmp@{_MMP_RANK}"] = each(lambda h, r: up_to(h, min(r, _MMP_RANK)) / min(r, _MMP_RANK))
    found["mrr"] = each(lambda h, _: 1 / h[0] if len(h) else 0.0)
    longest = max([int(num_relevant.max(initial=1)), *(int(h[-1]) for h in hits if len(h))])
    discounts = 1 / np.log2(np.arange(longest) + 2)
    ideal = np.concatenate([[0.0], np.cumsum(discounts)])
    found["ndcg"] = each(lambda h, r: discounts[h - 1].sum() / ideal[r])
    found |= {
        f"ndcg@{k}": each(
            lambda h, r, k=k: discounts[h[: up_to(h, k)] - 1].sum() / ideal[min(r, k)]
        )
        for k in ranks
    }
    return found


def up_to(hits: npt.NDArray[np.int64], k: int) -> int:
    """How many hits are among the first k."""
    return int(np.searchsorted(hits, k, side="right"))


def average_precision(hits: npt.NDArray[np.int64], num_relevant: int, k: int) -> float:
    """Average precision at k, divided by the most hits that k images allow."""
    return _precisions(hits[: up_to(hits, k)], min(num_relevant, k))


def _precisions(hits: npt.NDArray[np.int64], divisor: int) -> float:
    return float((np.arange(1, len(hits) + 1) / hits).sum() / divisor)


def _trapezoids(hits: npt.NDArray[np.int64], num_relevant: int) -> float:
    return revisited.average_precision((hits - 1).tolist(), num_relevant)
