"""k-reciprocal re-ranking (Zhong et al., arXiv 1701.08398) on sparse rows.

Two images that are among each other's nearest count as reciprocal. An image is described by its
reciprocal neighbours; images with similar descriptions are close in Jaccard distance, whatever
their own similarity.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.ordering import ranges
from glrtf.retrieval.search.neighbors import NO_ROW, Neighbors


@dataclasses.dataclass(frozen=True)
class Descriptions:
    """Images as sparse weights over images, in compressed rows.

    Attributes:
        starts: (images + 1,) int64: where each image's entries begin.
        images: (entries,) int64, ascending within an image.
        weights: (entries,) float64, adding up to 1 within an image.
    """

    starts: npt.NDArray[np.int64]
    images: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float64]

    def of(self, image: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """An image's entries: its neighbours and their weights."""
        entries = slice(self.starts[image], self.starts[image + 1])
        return self.images[entries], self.weights[entries]


def describe(neighbors: Neighbors, k1: int, k2: int) -> Descriptions:
    """Describes every image by its reciprocal neighbours.

    R(p, k) are those of p's k nearest that have p among their k nearest. R*(p) adds R(q, k1/2) of
    each q in R(p, k1) that shares at least two thirds with it (eq. 2). Its weights exp(-d) (eq. 7,
    d = 1 - s), normalised, are then averaged over the k2 nearest (local query expansion, eq. 11).

    Args:
        neighbors: The images' nearest among themselves, each first its own.
        k1: How many neighbours may be reciprocal.
        k2: Over how many nearest the description is averaged; 1 for none.
    """
    near = neighbors.head(k1)
    half = max(1, round(k1 / 2))
    wide, narrow = _reciprocal(near.indices), _reciprocal(near.indices[:, :half])
    scores = [dict(zip(*pair, strict=True)) for pair in zip(near.indices, near.scores, strict=True)]
    rows = []
    for image, mutual in enumerate(wide):
        chosen = _expanded(mutual, narrow)
        # An image added by expansion need not be a neighbour; its distance is then that of the
        # farthest one.
        far = near.scores[image][near.indices[image] != NO_ROW].min(initial=1.0)
        known = np.array([scores[image].get(one, far) for one in chosen])
        weights = np.exp(known - 1)
        rows.append((chosen, weights / weights.sum()))
    if k2 > 1:
        rows = [_averaged([rows[one] for one in line if one >= 0]) for line in near.indices[:, :k2]]
    lengths = [len(chosen) for chosen, _ in rows]
    return Descriptions(
        starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        images=np.concatenate([chosen for chosen, _ in rows]),
        weights=np.concatenate([weights for _, weights in rows]),
    )


def jaccard_similarities(
    descriptions: Descriptions,
    image: int,
    others: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """Σ min(a, b) / Σ max(a, b) of one image's description with some others'.

    Args:
        descriptions: The images' descriptions.
        image: The one.
        others: (n,) the others, none negative.

    Returns:
        (n,) float64 in [0, 1].
    """
    dense = np.zeros(len(descriptions.starts) - 1)
    named, weights = descriptions.of(image)
    dense[named] = weights
    starts = descriptions.starts[others]
    lengths = descriptions.starts[others + 1] - starts
    entries, which = ranges(starts, lengths)
    least = np.minimum(dense[descriptions.images[entries]], descriptions.weights[entries])
    common = np.bincount(which, least, len(others))
    # Both descriptions add up to 1.
    return common / (2 - common)


def _reciprocal(near: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """For each image, those of its neighbours that have it among theirs, ascending."""
    images, width = near.shape
    pairs = np.stack([np.repeat(np.arange(images), width), near.reshape(-1)])
    pairs = pairs[:, pairs[1] != NO_ROW]
    one_way = pairs[0] * images + pairs[1]
    mutual = np.sort(one_way[np.isin(one_way, pairs[1] * images + pairs[0])])
    cuts = np.searchsorted(mutual, np.arange(1, images) * images)
    return [part % images for part in np.split(mutual, cuts)]


def _expanded(
    mutual: npt.NDArray[np.int64], narrow: list[npt.NDArray[np.int64]]
) -> npt.NDArray[np.int64]:
    added = [mutual]
    for one in mutual:
        shared = np.isin(narrow[one], mutual, assume_unique=True).sum()
        if 3 * shared >= 2 * len(narrow[one]):
            added.append(narrow[one])
    return np.unique(np.concatenate(added))


def _averaged(
    rows: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    chosen, places = np.unique(np.concatenate([one for one, _ in rows]), return_inverse=True)
    weights = np.concatenate([weights for _, weights in rows])
    return chosen, np.bincount(places, weights) / len(rows)
