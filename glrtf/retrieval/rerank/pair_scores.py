"""Scores of pairs of images on disk, so that a stopped or changed run scores none twice."""

import hashlib
import io
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import array_files, files

_SECONDS_BETWEEN_WRITES = 20.0
_SUFFIX = ".npz"


class PairScores:
    """Scores by pair, kept in a folder.

    New scores are written every 20 seconds and when the context ends, each time as a new file
    named after its contents, so that several processes may share the folder. A damaged file is
    reported, and its pairs count as unknown.

    Args:
        folder: The folder of all pair scores.
        key: All that these scores depend on, JSON values.
    """

    def __init__(self, folder: str, key: Mapping[str, Any]) -> None:
        self._folder = files.join(folder, f"pairs-{files.json_digest(dict(key))[:16]}")
        self._pairs = np.zeros(0, np.int64)
        self._scores = np.zeros(0)
        self._seconds = 0.0
        self._new: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], float]] = []
        self._written = time.monotonic()
        self._read()

    def contains(self, pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """(n,) whether the score of each of (n,) pairs is known."""
        places = np.searchsorted(self._pairs, pairs)
        return np.append(self._pairs, -1)[places] == pairs

    def scores(self, pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """(n,) float64 scores of pairs that are known."""
        return self._scores[np.searchsorted(self._pairs, pairs)]

    def seconds_of(self, count: int) -> float:
        """The seconds that so many scores took, by the mean of those that are known."""
        return self._seconds / max(len(self._pairs), 1) * count

    def add(
        self, pairs: npt.NDArray[np.int64], scores: npt.NDArray[np.float64], seconds: float
    ) -> None:
        """Adds scores of pairs that were not known, and what they took."""
        self._new.append((pairs, scores, seconds))
        if time.monotonic() - self._written > _SECONDS_BETWEEN_WRITES:
            self._write()

    def __enter__(self) -> "PairScores":
        self._written = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self._write()

    def _write(self) -> None:
        if not self._new:
            return
        pairs = np.concatenate([one for one, _, _ in self._new])
        scores = np.concatenate([one for _, one, _ in self._new])
        seconds = sum(one for _, _, one in self._new)
        buffer = io.BytesIO()
        np.savez(buffer, pairs=pairs, scores=scores, seconds=np.array(seconds))
        name = hashlib.sha256(buffer.getvalue()).hexdigest()[:16] + _SUFFIX
        files.write_bytes(files.join(self._folder, name), buffer.getvalue())
        self._new.clear()
        self._written = time.monotonic()
        self._take([pairs], [scores], seconds)

    def _read(self) -> None:
        pairs, scores, seconds = [], [], 0.0
        names = files.list_names(self._folder) if files.exists(self._folder) else []
        for name in sorted(name for name in names if name.endswith(_SUFFIX)):
            path = files.join(self._folder, name)
            try:
                found = array_files.load_archive(path, "verification scores")
                one, score, took = found["pairs"], found["scores"], float(found["seconds"])
                if one.ndim != 1 or one.shape != score.shape:
                    raise UserError(f"{path}: expected a score for each pair")
            except (UserError, KeyError, TypeError) as error:
                print(f"note: {error}; its pairs are scored again", file=sys.stderr)
                continue
            pairs.append(one.astype(np.int64))
            scores.append(score.astype(np.float64))
            seconds += took
        self._take(pairs, scores, seconds)

    def _take(
        self,
        pairs: list[npt.NDArray[np.int64]],
        scores: list[npt.NDArray[np.float64]],
        seconds: float,
    ) -> None:
        together = np.concatenate([self._pairs, *pairs])
        self._pairs, first = np.unique(together, return_index=True)
        self._scores = np.concatenate([self._scores, *scores])[first]
        self._seconds += seconds
