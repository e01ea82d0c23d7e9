"""Each train image's nearest images: of the whole train set, and of its own landmark."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.rows import RowSource, gather_rows
from glrtf.retrieval.ordering import first_of_each, stable_order
from glrtf.retrieval.search.neighbors import NO_ROW, Neighbors, release
from tfrecords_tools.progress import Progress

_ROWS_A_BLOCK = 16_384
_GATHERED = 8192
"""Rows of small landmarks that are read together."""
_PRODUCTS = 1 << 22
"""Similarities in memory at a time: 32 MB."""


@dataclasses.dataclass(frozen=True)
class LandmarkRows:
    """Train rows listed by landmark.

    Attributes:
        order: (rows,) int64 rows, landmark after landmark.
        starts: (landmarks + 1,) int64, where each landmark's rows begin in `order`.
    """

    order: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, codes: npt.NDArray[np.int64]) -> "LandmarkRows":
        """Lists rows by their landmarks, (rows,) int64: 0, 1, … without gaps."""
        order = stable_order(codes)
        return cls(order, np.append(first_of_each(codes[order]), len(order)))

    def rows(self, code: int) -> npt.NDArray[np.int64]:
        """The rows of a landmark."""
        return self.order[self.starts[code] : self.starts[code + 1]]


def without_self(found: Neighbors, rows: npt.NDArray[np.int64]) -> Neighbors:
    """Neighbours of rows among all rows, each without itself and with one column less.

    Args:
        found: (n, k + 1) neighbours.
        rows: (n,) int64, the rows that they belong to.
    """
    gone = found.indices == rows[:, None]
    # Among more than k equal rows, a row may not be found itself.
    gone[~gone.any(axis=1), -1] = True
    shape = (len(rows), found.k - 1)
    return Neighbors(found.indices[~gone].reshape(shape), found.scores[~gone].reshape(shape))


def overall_blocks(found: Neighbors, title: str) -> Iterator[tuple[slice, Neighbors]]:
    """Neighbours of all rows, each without itself, a few thousand rows at a time.

    Args:
        found: (rows, k + 1) mapped neighbours of rows among themselves; no more than a block of
            them is held in memory.
        title: The name of the progress bar.
    """
    count = len(found.indices)
    with Progress(title, count, "image") as progress:
        for start in range(0, count, _ROWS_A_BLOCK):
            if start:
                release(found)
            block = slice(start, min(start + _ROWS_A_BLOCK, count))
            near = Neighbors(np.array(found.indices[block]), np.array(found.scores[block]))
            yield block, without_self(near, np.arange(block.start, block.stop))
            progress.update(block.stop - start)


def own_neighbors(train: RowSource, landmarks: LandmarkRows, k: int) -> Neighbors:
    """The nearest other rows of each row's own landmark, in memory.

    Landmarks are read one after the other, small ones together, so that memory depends only on the
    largest landmark.

    Args:
        train: The train rows.
        landmarks: The rows by landmark.
        k: The number of neighbours.

    Returns:
        (rows, k) neighbours; -1 and -inf where a landmark has fewer.
    """
    count = len(landmarks.order)
    indices = np.full((count, k), NO_ROW, np.int64)
    scores = np.full((count, k), -np.inf)
    with Progress("neighbours of the same landmark", count, "image") as progress:
        for first, last in _groups(landmarks.starts):
            rows = landmarks.order[landmarks.starts[first] : landmarks.starts[last]]
            vectors = gather_rows(train, rows)
            for code in range(first, last):
                begin, end = landmarks.starts[code : code + 2] - landmarks.starts[first]
                _fill(vectors[begin:end], rows[begin:end], indices, scores)
            progress.update(len(rows))
    return Neighbors(indices, scores)


def _groups(starts: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Runs of landmarks that have at most `_GATHERED` rows together, or a single one."""
    first = 0
    while first < len(starts) - 1:
        last = int(np.searchsorted(starts, starts[first] + _GATHERED, side="right")) - 1
        last = max(last, first + 1)
        yield first, last
        first = last


def _fill(
    vectors: npt.NDArray[np.float64],
    rows: npt.NDArray[np.int64],
    indices: npt.NDArray[np.int64],
    scores: npt.NDArray[np.float64],
) -> None:
    """Fills in the neighbours of one landmark's rows."""
    k = min(indices.shape[1], len(rows) - 1)
    if k < 1:
        return
    step = max(1, _PRODUCTS // len(rows))
    for start in range(0, len(rows), step):
        similarities = vectors[start : start + step] @ vectors.T
        places = np.arange(len(similarities))
        similarities[places, start + places] = -np.inf
        nearest = np.argpartition(-similarities, k - 1, axis=1)[:, :k]
        near = np.take_along_axis(similarities, nearest, axis=1)
        order = np.lexsort((rows[nearest], -near), axis=1)
        own = rows[start : start + step]
        indices[own, :k] = rows[np.take_along_axis(nearest, order, axis=1)]
        scores[own, :k] = np.take_along_axis(near, order, axis=1)
