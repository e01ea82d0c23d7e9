"""Rows as searches read them: the protocol, and an array in memory."""

import functools
import hashlib
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from glrtf.embeddings import part_files as arrays
from glrtf.embeddings.set_parts import RowGroup

FLOAT32_UNIT = 2.0**-24
"""Half the spacing of float32 numbers at 1: what one rounding costs, relatively."""

_FloatT = TypeVar("_FloatT", bound=np.floating)


class RowSource(Protocol):
    """Rows in parts: `EmbeddingSet`, `JoinedRows` or `ArrayRows`.

    Attributes:
        name: Its name in messages.
        part_lengths: The number of rows of each part.
        dimension: The length of a row.
        digest: A SHA-256 that changes with any row or id.
        ids: All image ids, (rows,) S dtype, part after part.
        rounding: An upper bound of ‖read − gather‖ for any row.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def part_lengths(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def dimension(self) -> int: ...  # noqa: D102
    @property
    def digest(self) -> str: ...  # noqa: D102
    @property
    def ids(self) -> npt.NDArray[np.bytes_]: ...  # noqa: D102
    @property
    def rounding(self) -> float: ...  # noqa: D102

    def read(self, part: int, start: int, stop: int) -> npt.NDArray[np.float32]:
        """Rows start..stop of a part, float32 (rows, dimension), checked."""

    def gather(self, part: int, rows: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
        """Any rows of a part, float64 (rows, dimension), at full precision."""


class ArrayRows:
    """An array in memory as a `RowSource` of one part.

    Args:
        rows: (n, dimension) floats, each row of length 1.
        name: Its name in messages.
        ids: (n,) image ids; None takes the row numbers.

    Raises:
        UserError: On a row that is not finite or not of length 1.
    """

    def __init__(
        self, rows: npt.ArrayLike, name: str = "rows", ids: npt.ArrayLike | None = None
    ) -> None:
        array = np.asarray(rows)
        if array.dtype.kind != "f" or array.ndim != 2:
            raise ValueError(f"expected (n, dimension) floats, found {array.dtype} {array.shape}")
        self._rows = array
        self.name = name
        self.part_lengths = (len(array),)
        self.dimension = array.shape[1]
        self.ids = arrays.as_ids([str(row) for row in range(len(array))] if ids is None else ids)
        self.rounding = FLOAT32_UNIT * 1.01 if array.dtype == np.float64 else 0.0
        arrays.refuse_bad_rows(
            name, array.astype(np.float32, copy=False), self.ids, range(len(array))
        )

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 over rows and ids."""
        content = hashlib.sha256(np.ascontiguousarray(self._rows).tobytes())
        content.update(self.ids.tobytes())
        return content.hexdigest()

    def read(self, part: int, start: int, stop: int) -> npt.NDArray[np.float32]:
        """Rows start..stop, float32; a view where they are stored so."""
        return self._rows[start:stop].astype(np.float32, copy=False)

    def take(self, rows: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """Any rows, float32 (len(rows), dimension)."""
        return self._rows[rows].astype(np.float32, copy=False)

    def gather(self, part: int, rows: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
        """Any rows, float64 (len(rows), dimension)."""
        return self._rows[rows].astype(np.float64)


def normalized(rows: npt.NDArray[_FloatT]) -> npt.NDArray[_FloatT]:
    """Rows divided by their lengths: (n, dimension) in, same shape and dtype out."""
    return rows / np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]


def groups_of(source: RowSource) -> tuple[RowGroup, ...]:
    """A source's rows in groups, all of them in order.

    Where a source does not say what its rows come from, they are one group that is as old as they.
    """
    groups = getattr(source, "groups", ())
    return tuple(groups) or (RowGroup(source.digest, np.arange(len(source.ids))),)


def gather_rows(database: RowSource, rows: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """Rows of a database by their number over all parts, float64 (n, dimension)."""
    if len(database.part_lengths) == 1:
        return database.gather(0, rows)
    ends = np.cumsum(database.part_lengths)
    parts = np.searchsorted(ends, rows, side="right")
    if len(parts) and (parts == parts[0]).all():
        part = int(parts[0])
        return database.gather(part, rows - (ends[part] - database.part_lengths[part]))
    result = np.empty((len(rows), database.dimension))
    for part, places, local in arrays.places_by_part(rows, database.part_lengths):
        result[places] = database.gather(part, local)
    return result
