"""Intermediate results on disk, found again by what they were computed from."""

import contextlib
import os
import sys
import time
from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

import numpy as np

from glrtf.retrieval.growing import Blocks, Growth, Known
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import array_files, files, json_shapes
from tfrecords_tools.storage.remote import FileState

_VERSION = 2


class Written(TypedDict):
    """What is known of a file that was written."""

    bytes: int
    crc32c: int


class _Stage(TypedDict):
    arrays: list[Written]
    growth: NotRequired[Known]


class StageCache:
    """Keeps the arrays of finished stages in a folder.

    A later run with the same inputs and parameters of a stage finds its
    arrays; a run with other parameters of a later stage finds all before it.
    Arrays are memory-mapped, so their size does not matter. What is missing or
    damaged is reported and computed again.

    Args:
        folder: Where to keep them; created when the first one is written.

    Attributes:
        folder: Where they are kept.
        seconds: What each requested stage took, in order.
        reused: The stages that were found.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.seconds: dict[str, float] = {}
        self.reused: list[str] = []

    def arrays(
        self,
        stage: str,
        key: Mapping[str, Any],
        rows: int,
        blocks: Blocks,
        growth: Growth | None = None,
    ) -> tuple[np.ndarray, ...]:
        """A stage's arrays, computed only if they do not exist yet.

        Args:
            stage: What the stage is called.
            key: All that its result depends on, JSON values.
            rows: The length of each array.
            blocks: Computes the arrays, some rows of each at a time, in order.
            growth: Of which rows an earlier run may have found the same; those are copied.

        Returns:
            The arrays, read-only memory maps.
        """
        began = time.monotonic()
        key = {"stage": stage, "version": _VERSION, **key}
        name = f"{stage}-{files.json_digest(key)[:16]}"
        description = files.join(self.folder, f"{name}.json")
        if self._is_whole(name):
            self.reused.append(stage)
        else:
            donor = self._donor(stage, growth) if growth else None
            if donor and growth:
                blocks = growth.blocks_with(donor[1], self._arrays_of(donor[0]))
            count = self._write(name, rows, blocks)
            paths = [self._path(name, number) for number in range(count)]
            checks = [
                {"bytes": os.path.getsize(path), "crc32c": files.crc32c(path)} for path in paths
            ]
            known = {"growth": growth.known()} if growth else {}
            files.write_json(description, {"key": key, "arrays": checks, **known})
            if donor and growth and growth.replaces:
                self._delete(donor[0])
        result = self._arrays_of(name)
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.monotonic() - began
        return result

    def add_seconds(self, stage: str, took: float, saved: float) -> None:
        """Notes what a stage took that keeps its results itself.

        Args:
            stage: What the stage is called.
            took: Seconds.
            saved: Seconds that its kept results saved.
        """
        self.seconds[stage] = self.seconds.get(stage, 0.0) + took

    def _is_whole(self, name: str) -> bool:
        """Whether a stage's arrays exist and are undamaged; damage is reported."""
        description = files.join(self.folder, f"{name}.json")
        if not files.exists(description):
            return False
        try:
            arrays = json_shapes.read(description, _Stage)["arrays"]
            for number, expected in enumerate(arrays):
                _compare(self._path(name, number), expected)
        except UserError as error:
            print(f"note: {error}; it is computed again", file=sys.stderr)
            return False
        return True

    def _path(self, name: str, number: int) -> str:
        return files.join(self.folder, f"{name}-{number}.npy")

    def _arrays_of(self, name: str) -> tuple[np.ndarray, ...]:
        description = files.join(self.folder, f"{name}.json")
        count = len(json_shapes.read(description, _Stage)["arrays"])
        return tuple(
            np.load(self._path(name, number), mmap_mode="r", allow_pickle=False)
            for number in range(count)
        )

    def _donor(self, stage: str, growth: Growth) -> tuple[str, Known] | None:
        """The stage of an earlier run that has found most of the rows, and what it knows."""
        best, most = None, 0
        names = files.list_names(self.folder) if files.exists(self.folder) else []
        for file_name in names:
            name, ending = os.path.splitext(file_name)
            if ending != ".json" or not name.startswith(f"{stage}-"):
                continue
            try:
                known = json_shapes.read(files.join(self.folder, file_name), _Stage).get("growth")
            except UserError:
                continue
            if not known or not self._is_whole(name) or not self._has_rows(name, known):
                continue
            count = int((growth.places_in(known) >= 0).sum())
            if count > most:
                best, most = (name, known), count
        return best

    def _has_rows(self, name: str, known: Known) -> bool:
        """Whether a stage's arrays are as long as what it says of their rows."""
        runs = [run for group in known["groups"] for run in group["runs"]]
        length = sum(stop - start for start, stop in runs)
        return all(len(array) == length for array in self._arrays_of(name))

    def _delete(self, name: str) -> None:
        """Deletes a stage, its description first."""
        for path in (files.join(self.folder, f"{name}.json"), self._path(name, 0)):
            files.delete(path)
        number = 1
        while files.exists(self._path(name, number)):
            files.delete(self._path(name, number))
            number += 1

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


_compared: set[tuple[str, FileState]] = set()
"""Files that this process has compared with their checksums, and their state then."""


def _compare(path: str, expected: Written) -> None:
    """Raises a `UserError` for a file that is not what was written."""
    state = files.state(path)
    if state is None or state.size != expected["bytes"]:
        found = "none" if state is None else f"{state.size} bytes"
        raise UserError(f"{path}: expected {expected['bytes']} bytes, found {found}")
    if (path, state) not in _compared:
        if files.crc32c(path) != expected["crc32c"]:
            raise UserError(f"{path}: changed since it was written")
        _compared.add((path, state))
