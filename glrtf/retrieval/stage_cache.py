"""Intermediate results on disk, found again by what they were computed from."""

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from tfrecords_tools import array_files, files

_VERSION = 1

Blocks = Callable[[], Iterator[tuple[np.ndarray, ...]]]


class StageCache:
    """Keeps the arrays of finished stages in a folder.

    A later run with the same inputs and parameters of a stage finds its
    arrays; a run with other parameters of a later stage finds all before it.
    Arrays are memory-mapped, so their size does not matter.

    Args:
        folder: Where to keep them; created when the first one is written.

    Attributes:
        folder: Where they are kept.
        seconds: What each stage asked for took, in order.
        reused: The stages that were found.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.seconds: dict[str, float] = {}
        self.reused: list[str] = []

    def arrays(
        self, stage: str, key: Mapping[str, Any], rows: int, blocks: Blocks
    ) -> tuple[np.ndarray, ...]:
        """A stage's arrays, computed only where they are not there yet.

        Args:
            stage: What the stage is called.
            key: All that its result depends on, JSON values.
            rows: The length of each array.
            blocks: Computes the arrays, some rows of each at a time, in order.

        Returns:
            The arrays, read-only memory maps.
        """
        began = time.monotonic()
        key = {"stage": stage, "version": _VERSION, **key}
        name = f"{stage}-{digest_of(key)[:16]}"
        description = files.join(self.folder, f"{name}.json")
        if files.exists(description):
            self.reused.append(stage)
        else:
            count = self._write(name, rows, blocks)
            files.write_json(description, {"key": key, "arrays": count})
        result = self._read(name, int(files.read_json(description)["arrays"]))
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.monotonic() - began
        return result

    def _path(self, name: str, number: int) -> str:
        return files.join(self.folder, f"{name}-{number}.npy")

    def _read(self, name: str, count: int) -> tuple[np.ndarray, ...]:
        return tuple(
            np.load(self._path(name, number), mmap_mode="r", allow_pickle=False)
            for number in range(count)
        )

    def _write(self, name: str, rows: int, blocks: Blocks) -> int:
        with contextlib.ExitStack() as stack:
            maps: list[np.memmap] = []
            first = 0
            for block in blocks():
                if not maps:
                    paths = [
                        stack.enter_context(files.atomic_path(self._path(name, number)))
                        for number in range(len(block))
                    ]
                    maps = [
                        array_files.create(path, array.dtype, (rows, *array.shape[1:]))
                        for path, array in zip(paths, block, strict=True)
                    ]
                for target, array in zip(maps, block, strict=True):
                    target[first : first + len(array)] = array
                first += len(block[0])
            if first != rows:
                raise ValueError(f"{name}: expected {rows} rows, computed {first}")
            for target in maps:
                target.flush()
            return len(maps)


def digest_of(value: Any) -> str:
    """SHA-256 of a JSON value, 64 hex digits."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
