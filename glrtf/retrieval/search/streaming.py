"""A database streamed through a search, part by part and tile by tile."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.rows import RowSource
from glrtf.retrieval.search.neighbors import Neighbors, merge


class Collector(Protocol):
    """A block of queries that scans rows and keeps the nearest."""

    def begin(self) -> None:
        """Forgets all rows."""

    def add(self, tile: npt.NDArray[np.float32], first_row: int) -> None:
        """Looks through rows (tile, dimension), the first of them being row `first_row`."""

    def finish(self) -> Neighbors:
        """The neighbours among all rows added since `begin`."""


def collect_neighbors(
    collector: Collector, database: RowSource, per_part: int, tile_rows: int
) -> Neighbors:
    """Passes a whole database to a collector, each row once and in order.

    Args:
        collector: The queries, after `begin`.
        database: The rows to search.
        per_part: If positive, this many are taken from each part, and merged;
            else the nearest of all.
        tile_rows: How many rows are read at once.
    """
    found: list[Neighbors] = []
    first_row = 0
    for part, length in enumerate(database.part_lengths):
        for start in range(0, length, tile_rows):
            tile = database.read(part, start, min(start + tile_rows, length))
            collector.add(tile, first_row + start)
        first_row += length
        if per_part:
            found.append(collector.finish())
            collector.begin()
    return merge(found, per_part * len(found)) if per_part else collector.finish()
