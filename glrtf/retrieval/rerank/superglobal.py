"""SuperGlobal's re-ranking: descriptors refined by each other, from global features alone.

Shao et al., "Global Features are All You Need for Image Retrieval and Reranking", ICCV 2023
(arXiv 2308.06954), with the defaults of the published code (MDescAug.py and RerankwMDA.py of
ShihaoShao-GH/SuperGlobal at 6db11a7): M = 400, K = 9, β = 0.15.

For each query q with its M nearest images d:

    refined(d) = (d + β·Σ s(d, i)·i) / (1 + β·Σ s(d, i))    i: the K nearest of d among the M
    S1(d) = q · refined(d)
    q' = max over the K + 1 images with the largest S1 of refined(d), for each number
    S2(d) = q' · refined(d)
    S(d) = (S1(d) + S2(d)) / 2

Neither refined descriptors nor q' are normalised again. Unlike in the published code, negative
similarities count 0.
"""

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.search.neighbors import NO_ROW, Neighbors, best

_DECIMALS = 12
"""Scores are rounded to so many, so that equal rows tie whatever order the sums took."""


def scores(
    query: npt.NDArray[np.float64], images: npt.NDArray[np.float64], k: int, beta: float
) -> npt.NDArray[np.float64]:
    """S of each of a query's nearest images.

    Args:
        query: (dimension,) float64, of length 1.
        images: (m, dimension) float64, of length 1.
        k: How many images refine each other and the query.
        beta: A neighbour's weight, times its similarity.

    Returns:
        (m,) float64.
    """
    refined = _refined(images, min(k, len(images) - 1), beta)
    first = np.round(refined @ query, _DECIMALS)
    top = np.argsort(-first, kind="stable")[: k + 1]
    second = refined @ refined[top].max(axis=0)
    return np.round((first + second) / 2, _DECIMALS)


def reranked(
    near: Neighbors, new: npt.NDArray[np.float64], k: int
) -> tuple[Neighbors, npt.NDArray[np.float64]]:
    """The neighbours in their new order, and their direct confidences.

    Confidences are proportional to S, and each query's best image has the similarity that was
    the largest before. Images behind the M-th keep their order: they have the confidence of the
    last of the M, times their similarity.

    Args:
        near: The queries' nearest index images.
        new: (queries, m) float64, S of the first m of them; -inf for none.
        k: How many are wanted.

    Returns:
        (queries, k) neighbours with S as scores, and (queries, k) float64 confidences in 0..1.
    """
    m = new.shape[1]
    first = best(near.indices[:, :m], new, m)
    first = Neighbors(np.where(np.isneginf(first.scores), NO_ROW, first.indices), first.scores)
    largest = np.clip(near.scores[:, :1], 0, 1)
    top = np.maximum(first.scores[:, :1], np.finfo(np.float64).tiny)
    valid = first.indices != NO_ROW
    confidences = np.clip(np.where(valid, first.scores, 0), 0, None) / top * largest
    behind = Neighbors(near.indices[:, m:], near.scores[:, m:])
    rest = confidences[:, -1:] * np.clip(behind.scores, 0, 1)
    return (
        Neighbors(
            np.concatenate([first.indices, behind.indices], axis=1)[:, :k],
            np.concatenate([first.scores, behind.scores], axis=1)[:, :k],
        ),
        np.concatenate([confidences, rest], axis=1)[:, :k],
    )


def _refined(images: npt.NDArray[np.float64], k: int, beta: float) -> npt.NDArray[np.float64]:
    """(m, dimension) float64, the images refined by their k nearest among themselves."""
    rows = np.arange(len(images))
    if k == 0:
        return images
    similarities = images @ images.T
    np.fill_diagonal(similarities, -np.inf)
    nearest = np.argpartition(-similarities, k - 1, axis=1)[:, :k]
    weights = np.zeros_like(similarities)
    kept = beta * np.clip(np.take_along_axis(similarities, nearest, axis=1), 0, None)
    np.put_along_axis(weights, nearest, kept, axis=1)
    weights[rows, rows] = 1
    return weights @ images / weights.sum(axis=1, keepdims=True)
