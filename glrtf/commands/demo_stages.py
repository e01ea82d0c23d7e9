"""Stages of a longer job, each done once: their settings, outputs and seconds."""

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, TypedDict

from tfrecords_tools.errors import UserError
from tfrecords_tools.progress import format_seconds
from tfrecords_tools.storage import files, json_shapes


class _Done(TypedDict):
    """A stage's entry in the record."""

    settings: str
    products: list[str]
    seconds: float


class Stages:
    """Runs the missing stages of a sequence in one folder.

    A stage counts as done if the record names it with the same settings and its outputs exist. Once
    a stage is repeated, all stages that depend on its outputs are repeated too.

    Args:
        folder: Contains the outputs; the record is its ``stages.json``.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._path = files.join(folder, "stages.json")
        self._record: dict[str, _Done] = (
            json_shapes.read(self._path, dict[str, _Done]) if files.exists(self._path) else {}
        )
        self._names: list[str] = []

    @property
    def seconds(self) -> dict[str, float]:
        """How long each stage took when it was done, in order."""
        return {name: self._record[name]["seconds"] for name in self._names}

    def run(
        self, name: str, settings: Any, products: Sequence[str], work: Callable[[], None]
    ) -> None:
        """Runs one stage, unless it is done.

        Args:
            name: The stage's name.
            settings: What it depends on in addition to the stages before; a JSON value.
            products: The names of its outputs, below the folder.
            work: Makes them. It must be able to resume after an interruption.

        Raises:
            UserError: If the folder's stage was done with other settings.
        """
        self._names.append(name)
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        done = self._record.get(name)
        if done and done["settings"] != digest:
            raise UserError(
                f"{self._folder}: expected the stage {name!r} with these settings, found it with "
                "others; delete the folder or name another --output"
            )
        if done and all(files.exists(files.join(self._folder, p)) for p in products):
            print(f"{name}: already done", file=sys.stderr)
            return
        self._forget_later(name)
        print(f"{name} …", file=sys.stderr)
        began = time.monotonic()
        work()
        seconds = round(time.monotonic() - began, 1)
        print(f"{name}: {format_seconds(seconds)}", file=sys.stderr)
        self._record[name] = {
            "settings": digest,
            "products": list(products),
            "seconds": seconds,
        }
        files.write_json(self._path, self._record)

    def _forget_later(self, name: str) -> None:
        """Deletes what stages after `name` made, since its products will change."""
        later = [other for other in self._record if other not in self._names]
        if name in self._record:
            del self._record[name]
        for other in later:
            for product in self._record.pop(other)["products"]:
                _remove(files.join(self._folder, product))
        if files.exists(self._path):
            files.write_json(self._path, self._record)


def _remove(path: str) -> None:
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif files.exists(path):
        os.unlink(path)
