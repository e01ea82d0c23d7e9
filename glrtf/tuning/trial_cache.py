"""Search results for many trials: kept, and cut to a smaller k."""

import collections
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from glrtf.retrieval.growing import Blocks, Growth
from glrtf.retrieval.search.neighbors import Neighbors
from glrtf.retrieval.stage_cache import StageCache
from glrtf.tuning.truncate import truncate
from tfrecords_tools.storage import files

# Stages whose arrays are (rows, k) neighbours, best first: a search for a smaller k is a prefix of
# them.
_SEARCHES = ("train_neighbors", "dba_test", "dba_index")
# Other stages worth keeping on disk: they take a search, and few trials differ in them.
_ON_DISK = (*_SEARCHES, "non_landmark")
_BYTES_IN_MEMORY = 1 << 29


class TrialCache(StageCache):
    """A `StageCache` that reuses the work of other trials.

    The large searches are kept on disk, where other processes and later runs
    find them, and the result of a search for fewer neighbours is taken from it. The results of
    later stages are kept in memory, the latest 512 MiB of them.

    Args:
        folder: Where searches are kept.
        train_parts: The lengths of the train set's parts.
        cut: Whether a search for a smaller k finds the first neighbours of a larger one;
            approximate searches do not.
    """

    def __init__(self, folder: str, train_parts: Sequence[int] = (), cut: bool = True) -> None:
        super().__init__(folder)
        self._train_parts = train_parts
        self._cuts = _SEARCHES if cut else ()
        self._widest: dict[str, tuple[int, tuple[np.ndarray, ...]]] = {}
        self._latest: collections.OrderedDict[str, tuple[np.ndarray, ...]] = (
            collections.OrderedDict()
        )

    def arrays(
        self,
        stage: str,
        key: Mapping[str, Any],
        rows: int,
        blocks: Blocks,
        growth: Growth | None = None,
    ) -> tuple[np.ndarray, ...]:
        """A stage's arrays; see `StageCache.arrays`. Sets do not grow during a study."""
        if stage in self._cuts and not key.get("per_part"):
            wanted = key["k"]
            wide = self._wide(stage, key, "k", rows, blocks)
            return tuple(array[:, :wanted] for array in wide)
        name = files.json_digest([stage, key])
        if name in self._latest:
            self._latest.move_to_end(name)
            return self._latest[name]
        if stage in self._cuts:
            wide = self._wide(stage, key, "per_part", rows, blocks)
            truncated = truncate(Neighbors(*wide), key["per_part"], self._train_parts)
            result: tuple[np.ndarray, ...] = (truncated.indices, truncated.scores)
        elif stage in _ON_DISK:
            result = super().arrays(stage, key, rows, blocks)
        else:
            columns = zip(*blocks(), strict=True)
            result = tuple(np.concatenate(column) for column in columns)
        self._remember(name, result)
        return result

    def _wide(
        self, stage: str, key: Mapping[str, Any], width: str, rows: int, blocks: Blocks
    ) -> tuple[np.ndarray, ...]:
        """The search with the largest k so far, or this one if its k is larger."""
        name = files.json_digest([stage, {**key, width: None}])
        if name not in self._widest or self._widest[name][0] < key[width]:
            self._widest[name] = (key[width], super().arrays(stage, key, rows, blocks))
        return self._widest[name][1]

    def _remember(self, name: str, arrays: tuple[np.ndarray, ...]) -> None:
        self._latest[name] = arrays
        while len(self._latest) > 1 and _bytes(self._latest.values()) > _BYTES_IN_MEMORY:
            self._latest.popitem(last=False)


def _bytes(results: Iterable[tuple[np.ndarray, ...]]) -> int:
    return sum(array.nbytes for arrays in results for array in arrays)
