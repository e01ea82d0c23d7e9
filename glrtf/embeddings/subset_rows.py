"""A subset of a source's rows, in any order."""

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.rows import FLOAT32_UNIT, RowSource, gather_rows
from tfrecords_tools.storage import files


class SubsetRows:
    """Chosen rows of a source as a `RowSource` of one part, read as they are wanted.

    Args:
        source: Where the rows come from.
        rows: (n,) int64 rows of `source`, counted over all its parts.
    """

    def __init__(self, source: RowSource, rows: npt.NDArray[np.int64]) -> None:
        self._source = source
        self._rows = rows
        self.name = source.name
        self.ids = source.ids[rows]
        self.part_lengths = (len(rows),)
        self.dimension = source.dimension
        self.digest = files.json_digest([source.digest, rows.tolist()])
        self.rounding = FLOAT32_UNIT * 1.01

    def read(self, part: int, start: int, stop: int) -> npt.NDArray[np.float32]:
        """Rows start..stop, float32 (stop - start, dimension)."""
        return gather_rows(self._source, self._rows[start:stop]).astype(np.float32)

    def gather(self, part: int, rows: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
        """Any rows, float64 (len(rows), dimension)."""
        return gather_rows(self._source, self._rows[rows])
