"""Embedding rows looked up by image id."""

import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.adapted_rows import adapted
from glrtf.embeddings.adapter import load as load_adapter
from glrtf.embeddings.agreement import Agreement
from glrtf.embeddings.digests import Verify
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.embeddings.joined_rows import join
from glrtf.embeddings.rows import RowSource, gather_rows


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
    def open(
        cls,
        folders: Sequence[str],
        votes: Sequence[float] = (),
        verify: Verify = "once",
        agreement: Agreement | None = None,
        adapter: str = "",
    ) -> "RowsById":
        """Opens embedding sets of the same images and joins them.

        Args:
            folders: The sets, one a model.
            votes: How much each counts.
            verify: As `EmbeddingSet.open` takes it.
            agreement: The other sets that these are compared with.
            adapter: Folder of the adapter that maps the joined rows; empty for none.

        Raises:
            UserError: On a set that is missing, not whole, or made otherwise than the others.
        """
        sets = [EmbeddingSet.open(os.fspath(folder), verify) for folder in folders]
        if agreement is not None:
            for place, one in enumerate(sets):
                agreement.add(one.folder, one.meta, place)
        if adapter:
            return cls(adapted(folders[0], sets, votes, load_adapter(adapter)))
        return cls(join(sets, votes))

    def known(self, ids: Sequence[str]) -> list[str]:
        """The ids that have a row, in the given order."""
        wanted = _as_bytes(ids)
        return [image_id for image_id, found in zip(ids, self._has(wanted), strict=True) if found]

    def rows(self, ids: Sequence[str]) -> np.ndarray:
        """The rows of some images.

        Returns:
            (n, dimension) float64.

        Raises:
            KeyError: If an image has no row.
        """
        wanted = _as_bytes(ids)
        found = self._has(wanted)
        if not found.all():
            raise KeyError(ids[int(np.flatnonzero(~found)[0])])
        return gather_rows(self.source, self._order[np.searchsorted(self._sorted, wanted)])

    def _has(self, wanted: np.ndarray) -> np.ndarray:
        if not len(self._sorted):
            return np.zeros(len(wanted), bool)
        places = np.searchsorted(self._sorted, wanted).clip(max=len(self._sorted) - 1)
        return self._sorted[places] == wanted


def _as_bytes(ids: Sequence[str]) -> npt.NDArray[np.bytes_]:
    """(n,) ids, none cut: one that is too long for a set is in none."""
    return np.array([image_id.encode(errors="surrogateescape") for image_id in ids], np.bytes_)
