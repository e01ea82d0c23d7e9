"""Label re-ranking: similarity plus the agreement of both sides' landmarks."""

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.bridging.landmark_confidence import NO_LANDMARK, LandmarkConfidences


def landmark_shares(found: LandmarkConfidences) -> npt.NDArray[np.float64]:
    """How an image's confidence is spread over the landmarks it keeps.

    Returns:
        (images, keep) float64, 0 or more, adding up to 1, or to 0 for an
        image without landmark or without positive confidence.
    """
    positive = np.where(found.landmarks == NO_LANDMARK, 0, np.clip(found.confidences, 0, None))
    total = positive.sum(axis=1, keepdims=True)
    return np.divide(positive, total, out=np.zeros_like(positive), where=total > 0)


def votes(
    query: LandmarkConfidences,
    index: LandmarkConfidences,
    images: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """The landmark vote Σ_l p(q, l)·p(i, l), p being an image's shares.

    Args:
        query: The queries' landmarks.
        index: The index images' landmarks.
        images: (queries, n) int64 index rows, -1 for none.

    Returns:
        (queries, n) float64 in [0, 1]; 0 for none.
    """
    query_shares, index_shares = landmark_shares(query), landmark_shares(index)
    result = np.zeros(images.shape)
    for place in range(query_shares.shape[1]):
        for other in range(index_shares.shape[1]):
            same = query.landmarks[:, place, None] == index.landmarks[images, other]
            result += same * query_shares[:, place, None] * index_shares[images, other]
    return np.where(images >= 0, result, 0)
