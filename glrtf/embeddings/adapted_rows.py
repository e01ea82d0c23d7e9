"""Rows mapped by an adapter as they are read."""

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.adapter import Adapter
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.embeddings.joined_rows import join
from glrtf.embeddings.rows import FLOAT32_UNIT, RowSource, gather_rows, groups_of
from glrtf.embeddings.set_parts import RowGroup
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

_ROWS_AT_ONCE = 8192


class AdaptedRows:
    """Rows of a source mapped by an adapter as they are read; a `RowSource`.

    Args:
        source: The rows.
        adapter: The map.
    """

    def __init__(self, source: RowSource, adapter: Adapter) -> None:
        if source.dimension != adapter.input_dimension:
            raise UserError(
                f"{source.name}: expected rows of {adapter.input_dimension} numbers, as the"
                f" adapter takes, found {source.dimension}"
            )
        self._source, self._adapter = source, adapter
        self.name = source.name
        self.part_lengths = source.part_lengths
        self.dimension = adapter.dimension
        self.digest = files.json_digest([source.digest, adapter.digest])
        self.rounding = FLOAT32_UNIT * 1.01

    @functools.cached_property
    def ids(self) -> npt.NDArray[np.bytes_]:
        """(rows,) S dtype."""
        return self._source.ids

    @property
    def groups(self) -> tuple[RowGroup, ...]:
        """The source's groups, mapped."""
        return tuple(
            RowGroup(files.json_digest([group.key, self._adapter.digest]), group.places)
            for group in groups_of(self._source)
        )

    def read(self, part: int, start: int, stop: int) -> npt.NDArray[np.float32]:
        """Rows start..stop of a part, mapped, float32 (stop - start, dimension)."""
        stop = min(stop, self.part_lengths[part])
        rows = np.empty((len(range(start, stop)), self.dimension), np.float32)
        for begin in range(start, stop, _ROWS_AT_ONCE):
            numbers = np.arange(begin, min(begin + _ROWS_AT_ONCE, stop))
            rows[begin - start : begin - start + len(numbers)] = self.gather(part, numbers)
        return rows

    def take(self, rows: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """Any rows by their number over all parts, mapped, float32 (len(rows), dimension)."""
        return gather_rows(self, rows).astype(np.float32)

    def gather(self, part: int, rows: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
        """Any rows of a part, mapped, float64 (len(rows), dimension)."""
        return self._adapter.exactly(self._source.gather(part, rows))


def adapted(
    name: str, sets: Sequence[EmbeddingSet], votes: Sequence[float], adapter: Adapter
) -> AdaptedRows:
    """Joins sets, one per model, and maps them.

    Args:
        name: Their name in messages, such as ``--index``.
        sets: The sets.
        votes: The weight of each; none uses the adapter's.
        adapter: The map.

    Raises:
        UserError: If they are not of the models, or not joined with the votes, that the
            adapter was fitted on.
    """
    adapter.require_models(name, [one.meta for one in sets])
    if list(votes) not in ([], list(adapter.votes)):
        raise UserError(
            f"--votes: expected {' '.join(f'{v:g}' for v in adapter.votes)}, with which the adapter"
            f" was fitted, found {' '.join(f'{v:g}' for v in votes)}"
        )
    return AdaptedRows(join(sets, adapter.votes), adapter)
