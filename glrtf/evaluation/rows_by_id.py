"""Embedding rows asked for by image id."""

import os
from collections.abc import Sequence

import numpy as np

from glrtf.embedding_rows import RowSource, join
from glrtf.embedding_set import EmbeddingSet
from glrtf.retrieval.neighbors import gather_rows


class RowsById:
    """Looks up the rows of a source by id, by bisection.

    Args:
        source: The rows.

    Attributes:
        source: The rows.
    """

    def __init__(self, source: RowSource) -> None:
        self.source = source
        self._order = np.argsort(source.ids, kind="stable")
        self._sorted = source.ids[self._order]

    @classmethod
    def open(cls, folders: Sequence[str], votes: Sequence[float] = ()) -> "RowsById":
        """Opens embedding sets of the same images and joins them.

        Raises:
            UserError: On a set that is missing or not whole.
        """
        return cls(join([EmbeddingSet.open(os.fspath(folder)) for folder in folders], votes))

    def known(self, ids: Sequence[str]) -> list[str]:
        """Those of the ids that have a row, in their order."""
        wanted = _encoded(ids)
        return [image_id for image_id, there in zip(ids, self._has(wanted), strict=True) if there]

    def rows(self, ids: Sequence[str]) -> np.ndarray:
        """The rows of some images.

        Returns:
            (n, dimension) float64.

        Raises:
            KeyError: If an image has no row.
        """
        wanted = _encoded(ids)
        there = self._has(wanted)
        if not there.all():
            raise KeyError(ids[int(np.flatnonzero(~there)[0])])
        return gather_rows(self.source, self._order[np.searchsorted(self._sorted, wanted)])

    def _has(self, wanted: np.ndarray) -> np.ndarray:
        if not len(self._sorted):
            return np.zeros(len(wanted), bool)
        places = np.searchsorted(self._sorted, wanted).clip(max=len(self._sorted) - 1)
        return self._sorted[places] == wanted


def _encoded(ids: Sequence[str]) -> np.ndarray:
    """(n,) bytes as wide as the longest id: cut to 16, a longer one would be another image's."""
    return np.array([*(image_id.encode() for image_id in ids), b""])[:-1]
