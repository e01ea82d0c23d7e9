"""Search results for many trials: kept in memory, wide searches cut to narrow ones."""

import collections
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from glrtf.retrieval.stage_cache import Blocks, StageCache, digest_of

# Stages whose arrays are (rows, k) neighbours, best first: their first columns are the
# result of a search for fewer.
_SEARCHES = ("train_neighbors", "dba_test", "dba_index")
# What else is worth a place on the disk: it costs a search, and few trials differ in it.
_ON_DISK = (*_SEARCHES, "non_landmark")
_BYTES_IN_MEMORY = 1 << 29


class TrialCache(StageCache):
    """A `StageCache` that spares trials the work that others have done.

    The large searches are kept on disk, where other processes and later runs
    find them, and a search for fewer neighbours than a kept one is cut from
    it. What follows the searches is kept in memory, the latest 512 MiB of it.

    Args:
        folder: Where searches are kept.
    """

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        self._widest: dict[str, tuple[int, tuple[np.ndarray, ...]]] = {}
        self._latest: collections.OrderedDict[str, tuple[np.ndarray, ...]] = (
            collections.OrderedDict()
        )

    def arrays(
        self, stage: str, key: Mapping[str, Any], rows: int, blocks: Blocks
    ) -> tuple[np.ndarray, ...]:
        """A stage's arrays; see `StageCache.arrays`."""
        if stage in _SEARCHES and not key.get("per_part"):
            return self._cut(stage, key, rows, blocks)
        name = digest_of([stage, key])
        if name in self._latest:
            self._latest.move_to_end(name)
            return self._latest[name]
        if stage in _ON_DISK:
            result = super().arrays(stage, key, rows, blocks)
        else:
            columns = zip(*blocks(), strict=True)
            result = tuple(np.concatenate(column) for column in columns)
        self._remember(name, result)
        return result

    def _cut(
        self, stage: str, key: Mapping[str, Any], rows: int, blocks: Blocks
    ) -> tuple[np.ndarray, ...]:
        name = digest_of([stage, {**key, "k": None}])
        wanted = key["k"]
        if name not in self._widest or self._widest[name][0] < wanted:
            self._widest[name] = (wanted, super().arrays(stage, key, rows, blocks))
        return tuple(array[:, :wanted] for array in self._widest[name][1])

    def _remember(self, name: str, arrays: tuple[np.ndarray, ...]) -> None:
        self._latest[name] = arrays
        while len(self._latest) > 1 and _bytes(self._latest.values()) > _BYTES_IN_MEMORY:
            self._latest.popitem(last=False)


def _bytes(results: Iterable[tuple[np.ndarray, ...]]) -> int:
    return sum(array.nbytes for arrays in results for array in arrays)
