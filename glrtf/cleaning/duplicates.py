"""Near-duplicates: within a landmark, across landmarks, and between train and other sets."""

import dataclasses

import numpy as np
import numpy.typing as npt

from glrtf.cleaning.clusters import components
from glrtf.cleaning.nearest import overall_blocks
from glrtf.config.search import SearchConfig
from glrtf.embeddings.rows import RowSource
from glrtf.retrieval.blocks import concatenated
from glrtf.retrieval.ordering import id_ranks
from glrtf.retrieval.search import backends
from glrtf.retrieval.search.neighbors import NO_ROW, Neighbors

_ROUNDING = 1e-6
_MOST_IN_TRAIN = 20
"""How many near-duplicates in train are searched for each image of another set."""


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Pairs of similar images.

    Attributes:
        left: (pairs,) int64 train rows.
        right: (pairs,) int64 rows of train, or of another set.
        similarities: (pairs,) float64.
    """

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    similarities: npt.NDArray[np.float64]

    def take(self, chosen: npt.NDArray) -> "Pairs":
        """A selection, by a mask."""
        return Pairs(self.left[chosen], self.right[chosen], self.similarities[chosen])


def least_similarity(overall: Neighbors, share: float) -> float:
    """The similarity from which on images are near-duplicates.

    How near the nearest images are depends on the model. So distances are compared with the median
    distance of an image to its nearest. With a share of 0 only equal rows are near-duplicates.

    Args:
        overall: (rows, k + 1) neighbours of all rows among themselves.
        share: The largest distance, 1 - similarity, as a share of that median.
    """
    nearest = [near.scores[:, 0] for _, near in overall_blocks(overall, "distances")]
    # Equal rows have a similarity of 1 up to rounding.
    return 1 - share * max(0.0, 1 - float(np.median(np.concatenate(nearest)))) - _ROUNDING


def within_train(overall: Neighbors, least: float) -> Pairs:
    """Pairs of similar train images, each image with its nearest ones.

    Args:
        overall: (rows, k + 1) neighbours of all rows among themselves.
        least: The smallest similarity.
    """
    found = [Pairs(*_none())]
    for block, near in overall_blocks(overall, "near-duplicates"):
        rows, places = np.nonzero(near.scores >= least)
        found.append(
            Pairs(rows + block.start, near.indices[rows, places], near.scores[rows, places])
        )
    return concatenated(found)


def with_others(
    others: RowSource, train: RowSource, least: float, search: SearchConfig, folder: str, name: str
) -> Pairs:
    """Pairs of similar images, one from train and one from another set.

    Args:
        others: The other set.
        train: The train rows.
        least: The smallest similarity.
        search: How neighbours are found.
        folder: Where a back end may store its index.
        name: The other set's name.
    """
    found, first = [Pairs(*_none())], 0
    title = f"near-duplicates of {name}"
    wanted = min(_MOST_IN_TRAIN, len(train.ids))
    for near in backends.search_blocks(others, train, wanted, 0, search, folder, title):
        rows, places = np.nonzero((near.scores >= least) & (near.indices != NO_ROW))
        found.append(Pairs(near.indices[rows, places], rows + first, near.scores[rows, places]))
        first += len(near.indices)
    return concatenated(found)


def duplicates_of(pairs: Pairs, ids: npt.NDArray[np.bytes_]) -> npt.NDArray[np.int64]:
    """For each image, the one that it repeats: of connected images, the one with the smallest id.

    Args:
        pairs: Near-duplicates that show the same.
        ids: (rows,) S dtype.

    Returns:
        (rows,) int64, -1 for images that repeat none.
    """
    ranks = id_ranks(ids)
    by_rank = np.empty(len(ids), np.int64)
    by_rank[ranks] = np.arange(len(ids))
    first = by_rank[components(len(ids), ranks[pairs.left], ranks[pairs.right])[ranks]]
    return np.where(first == np.arange(len(ids)), NO_ROW, first)


def nearest_of_each(pairs: Pairs, count: int) -> npt.NDArray[np.int64]:
    """(count,) int64: of each train row its most similar partner, ties by row; -1 for none."""
    partners = np.full(count, NO_ROW, np.int64)
    order = np.lexsort((-pairs.right, pairs.similarities))
    partners[pairs.left[order]] = pairs.right[order]
    return partners


def _none() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
