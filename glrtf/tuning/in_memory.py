"""Inputs for many rankings: rows that fit are read once and held in memory."""

import collections

import numpy as np
import numpy.typing as npt

from glrtf.config.retrieval import RetrieveConfig
from glrtf.embeddings.rows import FLOAT32_UNIT, RowSource, gather_rows
from glrtf.retrieval.inputs import Inputs

_MOST_NUMBERS = 1 << 24
"""Rows of more numbers than this, 192 MiB in both precisions, stay where they are."""
_HELD_NUMBERS = 1 << 25
"""How many numbers of rows that one ranking made are held for the next ones."""


class HeldRows:
    """All rows of a source in memory, in one part, bit by bit as the source gives them.

    Args:
        source: Where the rows come from.
    """

    def __init__(self, source: RowSource) -> None:
        self.name = source.name
        self.ids = source.ids
        self.part_lengths = (len(source.ids),)
        self.dimension = source.dimension
        self.digest = source.digest
        self.rounding = FLOAT32_UNIT * 1.01
        self._rows = gather_rows(source, np.arange(len(source.ids)))
        self._rounded = self._rows.astype(np.float32)

    def read(self, part: int, start: int, stop: int) -> npt.NDArray[np.float32]:
        """Rows start..stop, float32 (rows, dimension)."""
        return self._rounded[start:stop]

    def gather(self, part: int, rows: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
        """Any rows, float64 (len(rows), dimension)."""
        return self._rows[rows]


class HeldInputs(Inputs):
    """`Inputs` for many rankings.

    Queries and index are held where they are small, and so are the latest
    rows that augmentation and expansion make of them: they would else be
    computed anew each time that a row is read.

    Args:
        config: The settings.
    """

    def __init__(self, config: RetrieveConfig) -> None:
        super().__init__(config)
        self.query = held(self.query)
        self.index = held(self.index)
        self.images = held(self.images)
        self._made: collections.OrderedDict[str, RowSource] = collections.OrderedDict()

    def kept(self, rows: RowSource) -> RowSource:
        """The rows held in memory, if they fit; those of the latest rankings are there already."""
        if rows.digest in self._made:
            self._made.move_to_end(rows.digest)
        else:
            self._made[rows.digest] = held(rows)
            while len(self._made) > 1 and self._num_held() > _HELD_NUMBERS:
                self._made.popitem(last=False)
        return self._made[rows.digest]

    def _num_held(self) -> int:
        return sum(_numbers(rows) for rows in self._made.values() if isinstance(rows, HeldRows))


def held(rows: RowSource) -> RowSource:
    """The rows in memory, or as they are if they are too many."""
    return HeldRows(rows) if _numbers(rows) <= _MOST_NUMBERS else rows


def _numbers(rows: RowSource) -> int:
    return len(rows.ids) * rows.dimension
