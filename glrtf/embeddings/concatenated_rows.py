"""Several sources of rows as one."""

import functools
import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.rows import RowSource, groups_of
from glrtf.embeddings.set_parts import RowGroup
from tfrecords_tools.errors import UserError


class ConcatenatedRows:
    """Several sources one after the other, the parts of all of them in order."""

    def __init__(self, sources: Sequence[RowSource]) -> None:
        if len({source.dimension for source in sources}) > 1:
            found = ", ".join(f"{source.name} {source.dimension}" for source in sources)
            raise UserError(f"expected rows of one dimension, found {found}; join the same models")
        self._whole = tuple(sources)
        self._sources = [(s, part) for s in sources for part in range(len(s.part_lengths))]
        self.name = ", ".join(source.name for source in sources)
        self.part_lengths = tuple(source.part_lengths[part] for source, part in self._sources)
        self.dimension = sources[0].dimension
        self.rounding = max(source.rounding for source in sources)
        self._whole = tuple(sources)

    # Looked up when first needed: single photos are joined to a large index for each search.
    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 over the sources' digests."""
        return hashlib.sha256("".join(s.digest for s in self._whole).encode()).hexdigest()

    @functools.cached_property
    def ids(self) -> npt.NDArray[np.bytes_]:
        """(rows,) S dtype, of all sources in order."""
        return np.concatenate([source.ids for source in self._whole])

    @property
    def groups(self) -> tuple[RowGroup, ...]:
        """The sources' groups, one source after the other."""
        return tuple(group for source in self._whole for group in groups_of(source))

    def read(self, part: int, start: int, stop: int) -> npt.NDArray[np.float32]:
        """Rows start..stop of a part, float32 (rows, dimension)."""
        source, own_part = self._sources[part]
        return source.read(own_part, start, stop)

    def gather(self, part: int, rows: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
        """Any rows of a part, float64 (len(rows), dimension)."""
        source, own_part = self._sources[part]
        return source.gather(own_part, rows)
