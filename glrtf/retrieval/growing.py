"""Cached results of rows that came and went: what is known is copied, the rest is computed."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.set_parts import RowGroup
from tfrecords_tools.storage import files

Blocks = Callable[[], Iterator[tuple[np.ndarray, ...]]]

_ROWS_A_BLOCK = 8192


class KnownGroup(TypedDict):
    """A group of rows, its places as runs from start to stop."""

    key: str
    runs: list[tuple[int, int]]


class Known(TypedDict):
    """What is written of the rows that a stage has found."""

    key: str
    groups: list[KnownGroup]


@dataclasses.dataclass(frozen=True)
class Growth:
    """How a stage can take up what an earlier one has found, row by row.

    Attributes:
        key: All that the result of a row depends on, but for the row itself; JSON values.
        groups: The rows of the stage, all in order.
        blocks_of: Computes the arrays for some of the rows, (n,) int64, some at a time, in order.
        replaces: Whether the earlier stage is of no more use.
    """

    key: Mapping[str, Any]
    groups: Sequence[RowGroup]
    blocks_of: Callable[[npt.NDArray[np.int64]], Iterator[tuple[np.ndarray, ...]]]
    replaces: bool = False

    def known(self) -> Known:
        """What later stages need to know of this one."""
        groups = [KnownGroup(key=group.key, runs=_runs(group.places)) for group in self.groups]
        return Known(key=files.json_digest(dict(self.key)), groups=groups)

    def places_in(self, known: Known) -> npt.NDArray[np.int64]:
        """(rows,) int64, where an earlier stage has each row; -1 for nowhere."""
        if known["key"] != files.json_digest(dict(self.key)):
            return np.full(sum(len(group.places) for group in self.groups), -1)
        firsts: dict[str, tuple[int, npt.NDArray[np.int64]]] = {}
        first = 0
        for group in known["groups"]:
            places = np.concatenate([np.arange(*run) for run in group["runs"]] or [np.arange(0)])
            firsts[group["key"]] = first, places
            first += len(places)
        found = [np.empty(0, np.int64)]
        for wanted in self.groups:
            first, places = firsts.get(wanted.key, (0, np.arange(0)))
            at = np.searchsorted(places, wanted.places)
            hit = np.append(places, -1)[at] == wanted.places
            found.append(np.where(hit, first + at, -1))
        return np.concatenate(found)

    def blocks_with(self, known: Known, earlier: Sequence[np.ndarray]) -> Blocks:
        """Gives the whole stage's arrays: rows copied from an earlier one, new rows computed."""
        places = self.places_in(known)
        missing = np.flatnonzero(places < 0)

        def blocks() -> Iterator[tuple[np.ndarray, ...]]:
            computed = _Stream(self.blocks_of(missing) if len(missing) else iter(()), earlier)
            for start in range(0, len(places), _ROWS_A_BLOCK):
                of_block = places[start : start + _ROWS_A_BLOCK]
                new = of_block < 0
                block = tuple(np.empty((len(of_block), *a.shape[1:]), a.dtype) for a in earlier)
                for target, old, fresh in zip(
                    block, earlier, computed.take(int(new.sum())), strict=True
                ):
                    target[~new] = old[of_block[~new]]
                    target[new] = fresh
                yield block

        return blocks


class _Stream:
    """Rows of blocks in other lengths."""

    def __init__(
        self, blocks: Iterator[tuple[np.ndarray, ...]], like: Sequence[np.ndarray]
    ) -> None:
        self._blocks = blocks
        self._left: tuple[np.ndarray, ...] = tuple(a[:0] for a in like)

    def take(self, count: int) -> tuple[np.ndarray, ...]:
        """The next rows of each array."""
        while len(self._left[0]) < count:
            pairs = zip(self._left, next(self._blocks), strict=True)
            self._left = tuple(np.concatenate(pair) for pair in pairs)
        taken = tuple(a[:count] for a in self._left)
        self._left = tuple(a[count:] for a in self._left)
        return taken


def _runs(places: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Ascending numbers as runs from start to stop."""
    if not len(places):
        return []
    ends = np.flatnonzero(np.diff(places) != 1)
    starts = places[np.append(0, ends + 1)]
    stops = places[np.append(ends, len(places) - 1)] + 1
    return list(zip(starts.tolist(), stops.tolist(), strict=True))
