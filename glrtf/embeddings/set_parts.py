"""The parts of an embedding set as its description lists them, and which of their rows count."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.part_writer import KINDS, part_stem
from tfrecords_tools.storage import files


class RowGroup(NamedTuple):
    """Rows of one file, in its order.

    What is known of a row can be found again in another version of its set by group and place.

    Attributes:
        key: A digest of the file's rows and ids, and of all that is done to them as they are read.
        places: (rows,) int64, ascending, which rows of the file.
    """

    key: str
    places: npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class SetPart:
    """One part.

    Attributes:
        stem: What the names of its files have in common.
        stored_rows: How many rows the files have.
        digests: ``embeddings`` and ``ids`` -> SHA-256 of the file.
        removed: The rows of the files that were removed from the set, ascending.
    """

    stem: str
    stored_rows: int
    digests: Mapping[str, str]
    removed: tuple[int, ...] = ()

    @property
    def num_rows(self) -> int:
        """How many rows count."""
        return self.stored_rows - len(self.removed)

    @property
    def group(self) -> RowGroup:
        """Its rows as a group."""
        return RowGroup(files.json_digest(dict(self.digests)), self._kept)

    def taken(self, stored: np.ndarray, start: int = 0, stop: int | None = None) -> np.ndarray:
        """The rows start..stop that count, of an array with all rows of the files.

        A view where no row was removed, else a copy.
        """
        return stored[self._kept[start:stop]] if self.removed else stored[start:stop]

    def stored(self, rows: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
        """Where in the files some of the rows that count are."""
        return self._kept[rows] if self.removed else rows

    @functools.cached_property
    def _kept(self) -> npt.NDArray[np.int64]:
        kept = np.ones(self.stored_rows, bool)
        kept[list(self.removed)] = False
        return np.flatnonzero(kept)

    def described(self, number: int, num_parts: int) -> dict[str, Any]:
        """What embedding_set.json says of it as part `number` of `num_parts`."""
        return {
            "num_rows": self.stored_rows,
            **{f"{kind}_sha256": self.digests[kind] for kind in KINDS},
            **({"file": self.stem} if self.stem != part_stem(number, num_parts) else {}),
            **({"removed": list(self.removed)} if self.removed else {}),
        }


def parts_of(info: Mapping[str, Any]) -> tuple[SetPart, ...]:
    """The parts that the content of embedding_set.json lists."""
    count = len(info["parts"])
    return tuple(
        SetPart(
            part.get("file", part_stem(number, count)),
            part["num_rows"],
            {kind: part[f"{kind}_sha256"] for kind in KINDS},
            tuple(part.get("removed", ())),
        )
        for number, part in enumerate(info["parts"])
    )
