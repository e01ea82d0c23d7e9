"""dataset_info.json: the description of a finished set of shards, written last."""

import csv
import dataclasses
import functools
import hashlib
import io
from typing import Any

import numpy as np

from tfrecords_tools import schema
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import csv_files, files, json_shapes

FILE_NAME = "dataset_info.json"
LABELS_NAME = "labels.csv"
REJECTS_NAME = "rejects.csv"
LEFT_OUT_NAME = "left_out.csv"


@dataclasses.dataclass(frozen=True)
class ShardInfo:
    """One TFRecord file.

    Attributes:
        name: Its file name.
        num_examples: Its records.
        bytes: Its length.
        sha256: Its digest, 64 hex digits.
    """

    name: str
    num_examples: int
    bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """A finished set of shards.

    Attributes:
        split: ``train``, ``validation``, ``index`` or ``test``.
        num_examples: Records in all shards.
        num_classes: Labels run from 0 to this less 1; 0 for index and test.
        shards: The files, in order.
        schema: Which names the records use, a key of `schema.SCHEMAS`.
        counts: Images planned, kept, reencoded and rejected; they add up.
        source_counts: The source's members and the labels' images, by their fate.
        settings: The settings that the shards' bytes depend on, besides the source.
        source: Digests of the source files.
        digests: Name -> SHA-256 of the files next to the shards that are read back.
        folder: Where it was loaded from or saved to; not stored.
    """

    split: str
    num_examples: int
    num_classes: int
    shards: tuple[ShardInfo, ...]
    schema: str = "gldv2"
    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    source_counts: dict[str, int] = dataclasses.field(default_factory=dict)
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    source: dict[str, Any] = dataclasses.field(default_factory=dict)
    digests: dict[str, str] = dataclasses.field(default_factory=dict)
    folder: str = ""

    @functools.cached_property
    def shard_paths(self) -> tuple[str, ...]:
        """The files' full names."""
        return tuple(files.join(self.folder, shard.name) for shard in self.shards)

    @property
    def max_side(self) -> int | None:
        """The longest side in the shards, to which longer photos were shrunk; None for any."""
        value = self.settings.get("max_side")
        return value if isinstance(value, int) and value > 0 else None

    @functools.cached_property
    def label_map(self) -> np.ndarray:
        """(num_classes,) int64: label -> landmark_id; empty for index and test."""
        return self._labels[:, 0]

    @functools.cached_property
    def class_counts(self) -> np.ndarray:
        """(num_classes,) int64: label -> how many records have it."""
        return self._labels[:, 1]

    @functools.cached_property
    def _labels(self) -> np.ndarray:
        if not self.num_classes:
            return np.empty((0, 2), np.int64)
        path = files.join(self.folder, LABELS_NAME)
        content = files.read_bytes(path)
        if self.digests.get(LABELS_NAME, found := hashlib.sha256(content).hexdigest()) != found:
            raise UserError(
                f"{path}: changed since the shards were finished; build them again into an "
                "empty folder, or restore it"
            )
        rows = list(csv.reader(io.StringIO(content.decode())))[1:]
        if len(rows) != self.num_classes or [row[0] for row in rows] != [
            str(label) for label in range(self.num_classes)
        ]:
            raise UserError(
                f"{path}: expected labels 0..{self.num_classes - 1} in order, found "
                f"{len(rows)} rows; build the shards again"
            )
        return np.array([row[1:3] for row in rows], np.int64).reshape(-1, 2)

    @classmethod
    def load(cls, folder: str, name: str = FILE_NAME) -> "DatasetInfo":
        """Reads a finished set's description.

        Args:
            folder: Where the shards are.
            name: The description's file name.

        Raises:
            UserError: If the folder has none, or one that cannot be read.
        """
        path = files.join(folder, name)
        if not files.exists(path):
            raise UserError(
                f"{path}: no such file; expected a folder of finished shards "
                "(glrtf build writes it last)"
            )
        values = json_shapes.read(path, dict[str, Any])
        if values.get("schema_version") != schema.VERSION:
            raise UserError(
                f"{path}: expected schema_version {schema.VERSION}, "
                f"found {values.get('schema_version')!r}; build the shards again"
            )
        json_shapes.require(path, values, cls)
        if (name := values.get("schema", "gldv2")) not in schema.SCHEMAS:
            raise UserError(
                f"{path}: schema: expected {' or '.join(schema.SCHEMAS)}, found {name!r}; build "
                "the shards again"
            )
        if not values["shards"]:
            raise UserError(f"{path}: shards: expected at least one; build them again")
        counted = ("num_examples", "num_classes")
        for each in (values, *values["shards"]):
            if negative := [name for name in counted if each.get(name, 0) < 0]:
                raise UserError(
                    f"{path}: {negative[0]}: expected 0 or more, found {each[negative[0]]}; "
                    "build the shards again"
                )
        known = {field.name for field in dataclasses.fields(cls)} - {"shards", "folder"}
        names = {field.name for field in dataclasses.fields(ShardInfo)}
        shards = tuple(
            ShardInfo(**{name: shard[name] for name in names}) for shard in values["shards"]
        )
        described = {field: values[field] for field in known if field in values}
        return cls(**described, shards=shards, folder=folder)

    def save(self, folder: str) -> None:
        """Writes the description; the shards must be complete."""
        values = dataclasses.asdict(self)
        del values["folder"]
        values["schema_version"] = schema.VERSION
        values["label_map"] = LABELS_NAME if self.num_classes else None
        values["rejects"] = REJECTS_NAME
        files.write_json(files.join(folder, FILE_NAME), values)


def write_labels(folder: str, landmark_ids: np.ndarray, class_counts: np.ndarray) -> None:
    """Writes the label map, ``label,landmark_id,num_examples``, one row per label."""
    pairs = zip(landmark_ids.tolist(), class_counts.tolist(), strict=True)
    rows = ([label, *pair] for label, pair in enumerate(pairs))
    csv_files.write(files.join(folder, LABELS_NAME), ["label", "landmark_id", "num_examples"], rows)
