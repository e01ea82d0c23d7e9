"""Near-duplicates: within a landmark, across landmarks, and between train and other sets."""

import dataclasses

import numpy as np
import numpy.typing as npt

from glrtf.cleaning.clusters import components
from glrtf.cleaning.nearest import overall_blocks
from glrtf.config.retrieval import SearchConfig
from glrtf.embeddings.rows import RowSource
from glrtf.retrieval.ordering import id_ranks
from glrtf.retrieval.search import backends
from glrtf.retrieval.search.neighbors import NO_ROW, Neighbors

_MOST_IN_TRAIN = 20
"""How many near-duplicates in train are looked for of each image of another set."""


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
        """Some of them, by a mask."""
        return Pairs(self.left[chosen], self.right[chosen], self.similarities[chosen])


def within_train(overall: Neighbors, least: float) -> Pairs:
    """Pairs of train images at least that similar, each image with its nearest.

    Args:
        overall: (rows, k + 1) neighbours of all rows among themselves.
        least: The least similarity.
    """
    found = [Pairs(*_none())]
    for block, near in overall_blocks(overall, "near-duplicates"):
        rows, places = np.nonzero(near.scores >= least)
        found.append(
            Pairs(rows + block.start, near.indices[rows, places], near.scores[rows, places])
        )
    return _joined(found)


def with_others(
    others: RowSource, train: RowSource, least: float, search: SearchConfig, folder: str, name: str
) -> Pairs:
    """Pairs of a train image and an image of another set, at least that similar.

    Args:
        others: The other set.
        train: The train rows.
        least: The least similarity.
        search: How neighbours are found.
        folder: Where a back end may keep its index.
        name: What the other set is called.
    """
    found, first = [Pairs(*_none())], 0
    title = f"near-duplicates of {name}"
    wanted = min(_MOST_IN_TRAIN, len(train.ids))
    for near in backends.search_blocks(others, train, wanted, 0, search, folder, title):
        rows, places = np.nonzero((near.scores >= least) & (near.indices != NO_ROW))
        found.append(Pairs(near.indices[rows, places], rows + first, near.scores[rows, places]))
        first += len(near.indices)
    return _joined(found)


def duplicates_of(pairs: Pairs, ids: npt.NDArray[np.bytes_]) -> npt.NDArray[np.int64]:
    """For each image the one that it repeats: that of the smallest id among connected ones.

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


def _joined(parts: list[Pairs]) -> Pairs:
    names = [field.name for field in dataclasses.fields(Pairs)]
    return Pairs(*(np.concatenate([getattr(one, name) for one in parts]) for name in names))
