"""How much nearer an image is to its own landmark than to any other.

The margin of an image with a label is the mean similarity to its m nearest images of that
landmark, less the same for the best other landmark. Both means are over as many images: if a
landmark has fewer than m other images, all of them are used, and equally many of each other
landmark.

Of other landmarks, only images among the k nearest of all are known. The others are at most as
similar as the k-th, whose similarity is used for them.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from glrtf.cleaning.nearest import LandmarkRows, overall_blocks, without_self
from glrtf.embeddings.rows import RowSource, gather_rows
from glrtf.retrieval.blocks import concatenated
from glrtf.retrieval.bridging.landmark_confidence import NO_LANDMARK, landmark_confidences
from glrtf.retrieval.processors import for_all
from glrtf.retrieval.search.neighbors import NO_ROW, Neighbors

_AT_ONCE = 1024
_EXCHANGED = 2000
"""Labels exchanged on purpose: their distribution is known to about 1 %."""
_DRAWN = 4
_MOST_PRODUCTS = 1 << 22


@dataclasses.dataclass(frozen=True)
class Margins:
    """Similarities of images to their own landmark and to others.

    Attributes:
        own: (n,) float64, mean similarity to the nearest images of the own landmark; -inf if it
            has no other image.
        other: (n,) float64, the same for the best other landmark.
        other_codes: (n,) int64, that landmark; -1 if no other is among the nearest.
    """

    own: npt.NDArray[np.float64]
    other: npt.NDArray[np.float64]
    other_codes: npt.NDArray[np.int64]

    @property
    def values(self) -> npt.NDArray[np.float64]:
        """(n,) own less other."""
        return self.own - self.other


def of_labels(
    overall: Neighbors,
    own: Neighbors,
    codes: npt.NDArray[np.int64],
    counts: npt.NDArray[np.bool_],
    per_landmark: int,
) -> Margins:
    """The margins of all images with their labels.

    Args:
        overall: (rows, k + 1) neighbours of all rows among themselves, themselves included.
        own: (rows, w) neighbours of each row in its landmark.
        codes: (rows,) int64, the labels.
        counts: (rows,) bool, the images that count as evidence.
        per_landmark: m.
    """
    found = []
    for block, near in overall_blocks(overall, "margins"):
        sims = counted_similarities(Neighbors(own.indices[block], own.scores[block]), counts)
        found.append(compare(near, sims[:, :per_landmark], codes[block], codes, counts))
    return concatenated(found)


def compare(
    near: Neighbors,
    own_similarities: npt.NDArray[np.floating],
    labels: npt.NDArray[np.int64],
    codes: npt.NDArray[np.int64],
    counts: npt.NDArray[np.bool_],
) -> Margins:
    """The margins of some images with any labels.

    Args:
        near: (n, k) their nearest images of all.
        own_similarities: (n, m) to the nearest images with the label that count, descending, -inf
            where there are fewer.
        labels: (n,) int64.
        codes: (rows,) int64, the labels of all images.
        counts: (rows,) bool, the images that count as evidence.
    """

    def of_some(start: int) -> Margins:
        some = slice(start, start + _AT_ONCE)
        few = Neighbors(near.indices[some], near.scores[some])
        return _compare(few, own_similarities[some], labels[some], codes, counts)

    return concatenated(for_all(of_some, range(0, max(len(labels), 1), _AT_ONCE)))


def _compare(
    near: Neighbors,
    own_similarities: npt.NDArray[np.floating],
    labels: npt.NDArray[np.int64],
    codes: npt.NDArray[np.int64],
    counts: npt.NDArray[np.bool_],
) -> Margins:
    valid = near.indices != NO_ROW
    near_codes = np.where(valid & counts[near.indices], codes[near.indices], NO_LANDMARK)
    floor = np.where(valid, near.scores, np.inf).min(axis=1, initial=np.inf)
    available = np.isfinite(own_similarities)
    numbers = available.sum(axis=1)
    sums = np.where(available, own_similarities, 0).sum(axis=1, dtype=np.float64)
    own = np.where(numbers > 0, sums / np.maximum(numbers, 1), -np.inf)
    other, others = floor.copy(), np.full(len(labels), NO_LANDMARK, np.int64)
    above = np.where(valid, near.scores - floor[:, None], 0.0)
    for number in range(1, own_similarities.shape[1] + 1):
        rows = np.flatnonzero(np.maximum(numbers, 1) == number)
        if len(rows):
            best, code = _best_other(near_codes[rows], above[rows], labels[rows], number)
            other[rows] += best / number
            others[rows] = code
    return Margins(own, other, others)


def _best_other(
    near_codes: npt.NDArray[np.int64],
    above: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
    number: int,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """(n,) the best sum over `number` images of a landmark other than the label, and which it is.

    Without any, 0 and -1.
    """
    known, places = np.unique(near_codes, return_inverse=True)
    places = places.reshape(near_codes.shape)
    if known[0] == NO_LANDMARK:
        known, places = known[1:], places - 1
    if not len(known):
        return np.zeros(len(labels)), np.full(len(labels), NO_LANDMARK, np.int64)
    kept = landmark_confidences(
        places, 1 - above, known, per_landmark=number, best_bonus=0.0, keep=2
    )
    second = kept.landmarks[:, 0] == labels
    place = second.astype(np.int64)[:, None]
    codes = np.take_along_axis(kept.landmarks, place, axis=1)[:, 0]
    sums = np.take_along_axis(kept.confidences, place, axis=1)[:, 0]
    return np.where(codes == NO_LANDMARK, 0.0, sums), codes


def counted_similarities(own: Neighbors, counts: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """(n, w) similarities of the neighbours that count, descending, -inf behind them."""
    gone = (own.indices == NO_ROW) | ~counts[own.indices]
    order = np.argsort(gone, axis=1, kind="stable")
    return np.take_along_axis(np.where(gone, -np.inf, own.scores), order, axis=1)


@dataclasses.dataclass(frozen=True)
class Exchange:
    """Labels exchanged on purpose.

    Attributes:
        rows: (n,) int64 images, ascending.
        labels: (n,) int64, their exchanged label: another landmark.
    """

    rows: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]


def exchange(codes: npt.NDArray[np.int64], counts: npt.NDArray[np.bool_], seed: int) -> Exchange:
    """Draws images and gives each the label of another image.

    Args:
        codes: (rows,) int64, the labels.
        counts: (rows,) bool, which images are drawn from.
        seed: Equal seeds draw the same.
    """
    generator = np.random.default_rng(seed)
    pool = np.flatnonzero(counts)
    if not len(pool):
        return Exchange(pool, pool)
    # In small sets an image is drawn several times, each with another label.
    rows = np.sort(generator.choice(pool, min(_EXCHANGED, _DRAWN * len(pool))))
    labels = codes[generator.choice(pool, len(rows))]
    changed = labels != codes[rows]
    return Exchange(rows[changed], labels[changed])


def of_exchanged(
    exchanged: Exchange,
    train: RowSource,
    overall: Neighbors,
    landmarks: LandmarkRows,
    codes: npt.NDArray[np.int64],
    counts: npt.NDArray[np.bool_],
    per_landmark: int,
) -> Margins:
    """The margins of images with labels exchanged on purpose; arguments as in `of_labels`."""
    rows, labels = exchanged.rows, exchanged.labels
    own = np.full((len(rows), per_landmark), -np.inf)
    for label in np.unique(labels).tolist():
        of_label = landmarks.rows(label)
        of_label = of_label[counts[of_label]]
        places = np.flatnonzero(labels == label)
        # In blocks, which bound the memory of the products.
        step = max(1, _MOST_PRODUCTS // max(train.dimension, len(of_label), 1))
        vectors = gather_rows(train, of_label)
        for start in range(0, len(places), step):
            some = places[start : start + step]
            similarities = gather_rows(train, rows[some]) @ vectors.T
            own[some] = _highest(similarities, per_landmark)
    found = Neighbors(overall.indices[rows], overall.scores[rows])
    return compare(without_self(found, rows), own, labels, codes, counts)


def _highest(similarities: npt.NDArray[np.float64], number: int) -> npt.NDArray[np.float64]:
    """(n, number) the highest of each row, descending, -inf where there are fewer."""
    k = min(number, similarities.shape[1])
    result = np.full((len(similarities), number), -np.inf)
    if k:
        highest = -np.partition(-similarities, k - 1, axis=1)[:, :k]
        result[:, :k] = -np.sort(-highest, axis=1)
    return result
