"""Inputs for many rankings: rows that fit are read once and kept in memory."""

import collections

from glrtf.config.retrieval import RetrieveConfig
from glrtf.embeddings.in_memory import InMemoryRows, in_memory, num_bytes
from glrtf.embeddings.rows import RowSource
from glrtf.retrieval.inputs import Inputs

_MOST_BYTES = 192 << 20
"""Rows that would take more bytes than this are read from disk."""
_MOST_BYTES_MADE = 384 << 20
"""How many bytes of computed rows are kept for later rankings."""


class InMemoryInputs(Inputs):
    """`Inputs` for many rankings.

    Queries and index are kept in memory if they are small, and so are the latest rows that
    augmentation and expansion compute from them, which would otherwise be recomputed whenever a row
    is read.

    Args:
        config: The settings.
    """

    def __init__(self, config: RetrieveConfig) -> None:
        super().__init__(config)
        self.query = in_memory(self.query, _MOST_BYTES)
        self.index = in_memory(self.index, _MOST_BYTES)
        self.images = in_memory(self.images, _MOST_BYTES)
        self._made: collections.OrderedDict[str, RowSource] = collections.OrderedDict()

    def kept(self, rows: RowSource) -> RowSource:
        """The rows in memory, if they fit; those of recent rankings are reused."""
        if rows.digest in self._made:
            self._made.move_to_end(rows.digest)
        else:
            self._made[rows.digest] = in_memory(rows, _MOST_BYTES)
            while len(self._made) > 1 and self._bytes_made() > _MOST_BYTES_MADE:
                self._made.popitem(last=False)
        return self._made[rows.digest]

    def _bytes_made(self) -> int:
        made = self._made.values()
        return sum(num_bytes(rows) for rows in made if isinstance(rows, InMemoryRows))
