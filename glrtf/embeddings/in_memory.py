"""All rows of a source in memory, for searches and rankings that read them again and again."""

import copy

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.rows import FLOAT32_UNIT, RowSource, gather_rows


class InMemoryRows:
    """All rows of a source, in its parts, read and checked once.

    `gather` returns the source's numbers bit for bit. Rows that the source computes as it reads
    them (`rounding` above 0) are kept in float64 as well.

    Args:
        source: Where the rows come from.

    Raises:
        UserError: On a row that is not finite or not of length 1.
    """

    def __init__(self, source: RowSource) -> None:
        self.name = source.name
        self.ids = source.ids
        self.part_lengths = source.part_lengths
        self.dimension = source.dimension
        self.digest = source.digest
        self._starts = np.concatenate([[0], np.cumsum(source.part_lengths, dtype=np.int64)])
        self._rounded: npt.NDArray[np.float32]
        self._rows: npt.NDArray[np.floating]
        if source.rounding:
            self.rounding = FLOAT32_UNIT * 1.01
            self._rows = gather_rows(source, np.arange(len(source.ids)))
            self._rounded = self._rows.astype(np.float32)
        else:
            self.rounding = 0.0
            self._rounded = np.empty((len(source.ids), source.dimension), np.float32)
            for part, length in enumerate(source.part_lengths):
                first = self._starts[part]
                self._rounded[first : first + length] = source.read(part, 0, length)
            self._rows = self._rounded

    @property
    def undivided(self) -> "InMemoryRows":
        """The same rows as one part; nothing is copied."""
        whole = copy.copy(self)
        whole.part_lengths, whole._starts = (len(self.ids),), np.zeros(1, np.int64)
        return whole

    def read(self, part: int, start: int, stop: int) -> npt.NDArray[np.float32]:
        """Rows start..stop of a part, float32 (rows, dimension); a view."""
        first = self._starts[part]
        return self._rounded[first + start : first + min(stop, self.part_lengths[part])]

    def gather(self, part: int, rows: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
        """Any rows of a part, float64 (len(rows), dimension)."""
        return self._rows[rows + self._starts[part]].astype(np.float64, copy=False)


def num_bytes(rows: RowSource) -> int:
    """How many bytes `InMemoryRows` takes: 4 a number, 12 with the rows in float64."""
    return len(rows.ids) * rows.dimension * (12 if rows.rounding else 4)


def in_memory(rows: RowSource, most_bytes: int) -> RowSource:
    """The rows in memory, or the source itself if they would take more than `most_bytes`."""
    return InMemoryRows(rows) if num_bytes(rows) <= most_bytes else rows
