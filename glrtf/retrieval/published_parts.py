"""The train rows in the 20 parts of the published run, independent of how their set is cut.

The published neighbours are the 15 nearest of each of 20 files of train rows. A set written by
`glrtf embed` has a part for each shard, one or thousands, in an order that depends on their
number. So rows are put in the order of their image ids, which are unrelated to what photos show,
and that order is divided into 20 parts of equal length. Sets of the same images give the same
parts.
"""

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from glrtf.config.ranking import PUBLISHED_PARTS
from glrtf.embeddings.adapted_rows import AdaptedRows
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.embeddings.joined_rows import JoinedRows
from glrtf.embeddings.rows import ArrayRows, gather_rows
from glrtf.retrieval.ordering import id_ranks
from tfrecords_tools.storage import files


class PublishedParts:
    """Rows in the order of their image ids, in 20 parts, as a `RowSource`.

    Nothing is copied: rows are gathered from the set's memory maps as they are read.

    Args:
        source: The rows.
    """

    def __init__(self, source: EmbeddingSet | JoinedRows | AdaptedRows | ArrayRows) -> None:
        self._source = source
        # As numpy.array_split does: the first parts have one more row if the number does not
        # divide.
        least, more = divmod(sum(source.part_lengths), PUBLISHED_PARTS)
        self.part_lengths = tuple(least + (part < more) for part in range(PUBLISHED_PARTS))
        self.name = source.name
        self.dimension = source.dimension
        self.rounding = source.rounding
        self.digest = files.json_digest(["by image id", PUBLISHED_PARTS, source.digest])

    @functools.cached_property
    def ids(self) -> npt.NDArray[np.bytes_]:
        """(rows,) S dtype, ascending."""
        return self._source.ids[self._rows]

    @functools.cached_property
    def _rows(self) -> npt.NDArray[np.int64]:
        """(rows,) which row of the source each is."""
        ranks = id_ranks(self._source.ids)
        rows = np.empty(len(ranks), np.int64)
        rows[ranks] = np.arange(len(ranks))
        return rows

    def read(self, part: int, start: int, stop: int) -> npt.NDArray[np.float32]:
        """Rows start..stop of a part, float32 (stop - start, dimension), checked."""
        first = self._first(part)
        stop = min(stop, self.part_lengths[part])
        return self._source.take(self._rows[first + start : first + stop])

    def gather(self, part: int, rows: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
        """Any rows of a part, float64 (len(rows), dimension)."""
        return gather_rows(self._source, self._rows[rows + self._first(part)])

    def _first(self, part: int) -> int:
        return sum(self.part_lengths[:part])

    def __getstate__(self) -> dict[str, Any]:
        """The pickled state: order and ids are recomputed in the other process."""
        return {k: v for k, v in self.__dict__.items() if k not in ("ids", "_rows")}
