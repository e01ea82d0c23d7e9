"""The shards of a data folder, and the number of records in each."""

import dataclasses
import os
import re
import struct
from collections.abc import Sequence

import numpy as np

from tfrecords_tools import example, schema, tfrecord
from tfrecords_tools.dataset_info import FILE_NAME, DatasetInfo
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

CHUNK = 16
"""Records that one call into Python reads; also the turn of a file in a mix of files."""
_TFREC = re.compile(r"\.(tfrecord|tfrec)s?(-\d+-of-\d+)?(\.gz)?$")
# What the official code of GLDv2 (DELF's build_image_dataset.py) writes: all splits in one folder.
_DELF = re.compile(r"(train|validation|index|test)-\d{5}-of-\d{5}$")
_SPLITS = ("train", "validation", "index", "test")


@dataclasses.dataclass(frozen=True)
class Shard:
    """One TFRecord file.

    Attributes:
        path: Where it is.
        num_examples: How many records it must hold.
        sha256: Its digest as dataset_info.json says, 64 hex digits; empty if nothing does.
        labelled: Whether its records' labels are used.
    """

    path: str
    num_examples: int
    sha256: str = ""
    labelled: bool = True


@dataclasses.dataclass(frozen=True)
class PhotoShard(Shard):
    """Photos of a folder that are read as if they were one shard.

    Attributes:
        photos: Path and image_id of each.
    """

    photos: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True)
class ShardSet:
    """The shards of one split.

    Attributes:
        shards: In the order of their names.
        split: ``train``, ``index`` or ``test``; the folder's name where no
            dataset_info.json says it.
        num_classes: How many labels there are; None if it is not known.
        schema: A key of `tfrecords_tools.schema.SCHEMAS`.
        folder: Where their dataset_info.json is; empty if there is none.
        max_side: What longer photos were resized to when they were built, pixels; None if
            nothing says so.
    """

    shards: tuple[Shard, ...]
    split: str
    num_classes: int | None = None
    schema: str = "gldv2"
    folder: str = ""
    max_side: int | None = None

    @property
    def num_examples(self) -> int:
        """Records in all shards together."""
        return sum(self.lengths)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Records of each shard."""
        return tuple(shard.num_examples for shard in self.shards)

    def class_counts(self) -> np.ndarray:
        """Records of each class, int64 (num_classes,).

        Raises:
            UserError: If the shards have no dataset_info.json that lists them.
        """
        if not self.folder or not self.num_classes:
            raise UserError(
                f"{self.folder or self.shards[0].path}: expected {FILE_NAME} with the counts of the"
                " classes, found none; use --input.sampling natural or build the shards again"
            )
        return DatasetInfo.load(self.folder).class_counts

    def without_empty(self) -> "ShardSet":
        """The set of only the shards that hold records."""
        return self.select([i for i, length in enumerate(self.lengths) if length])

    def select(self, positions: Sequence[int]) -> "ShardSet":
        """The set of only the shards at these positions."""
        return dataclasses.replace(self, shards=tuple(self.shards[i] for i in positions))


def open_shards(folder: str, split: str = "train") -> ShardSet:
    """Finds the shards of a split.

    Args:
        folder: What the builder wrote (with ``train/``, ``index/``, ``test/``
            below), one split's folder, or a folder of public Kaggle shards or of the
            official code's, whose records are counted by hopping from header to header.
        split: Which split, where the folder holds several.

    Raises:
        UserError: If there are no shards, or one that should be is not.
    """
    if candidate := _described(folder, split):
        return _from_info(candidate, split)
    if names := _shard_names(folder, split):
        return _without_info(folder, names, split)
    raise _none_found(folder, split)


def require_shards(folder: str, split: str) -> None:
    """Checks that a folder has shards of a split, without opening them.

    Raises:
        UserError: If it has none.
    """
    if candidate := _described(folder, split):
        _info(candidate, split)
    elif not _shard_names(folder, split):
        raise _none_found(folder, split)


def _none_found(folder: str, split: str) -> UserError:
    if others := _splits(folder):
        return UserError(
            f"{folder}: expected shards of the split {split}, found those of {', '.join(others)}"
        )
    return UserError(
        f"{folder}: expected {FILE_NAME} there or in {split}/, or *.tfrec shards; found"
        " neither; build shards with glrtf build"
    )


def holds_shards(folder: str, split: str) -> bool:
    """Whether a folder has shards, intact or not, of this split or another."""
    return bool(_described(folder, split) or _shard_names(folder) or _splits(folder))


def _splits(folder: str) -> list[str]:
    """The splits whose shards a folder holds, judging by names."""
    built = [one for one in _SPLITS if files.exists(files.join(folder, one, FILE_NAME))]
    return built or sorted({name.partition("-")[0] for name in _shard_names(folder)})


def _described(folder: str, split: str) -> str:
    """Where the dataset_info.json of the split is; empty if there is none."""
    candidates = (files.join(folder, split), folder)
    return next((each for each in candidates if files.exists(files.join(each, FILE_NAME))), "")


def _shard_names(folder: str, split: str = "") -> list[str]:
    """Names of shards without a description; of one split only, if their names say so."""
    names = files.list_names(folder)
    if found := [name for name in names if _TFREC.search(name)]:
        return found
    found = [name for name in names if _DELF.match(name)]
    return [name for name in found if not split or name.startswith(f"{split}-")]


def _info(folder: str, split: str) -> DatasetInfo:
    info = DatasetInfo.load(folder)
    if info.split != split:
        raise UserError(f"{folder}: expected the split {split}, found {info.split}")
    return info


def _from_info(folder: str, split: str) -> ShardSet:
    info = _info(folder, split)
    shards = tuple(
        Shard(path, shard.num_examples, shard.sha256)
        for path, shard in zip(info.shard_paths, info.shards, strict=True)
    )
    _refuse_other_sizes(info)
    if not info.num_examples:
        raise UserError(f"{folder}: expected at least one record, found none")
    found = ShardSet(shards, split, info.num_classes, info.schema, folder, info.max_side)
    if found.num_examples != info.num_examples:
        raise UserError(
            f"{files.join(folder, FILE_NAME)}: num_examples: expected {found.num_examples} as its "
            f"shards hold, found {info.num_examples}; build the shards again, or restore it"
        )
    return found


def _refuse_other_sizes(info: DatasetInfo) -> None:
    """Reports a shard that is missing, truncated or from another build."""
    # On gs:// one listing says the size of all.
    listed = dict(files.walk(info.folder)) if files.is_remote(info.folder) else None
    for path, shard in zip(info.shard_paths, info.shards, strict=True):
        if listed is not None:
            size = listed.get(shard.name)
        else:
            state = files.state(path)
            size = None if state is None else state.size
        if size is None:
            raise UserError(f"{path}: named in {FILE_NAME} but missing; build the shards again")
        if size != shard.bytes:
            raise UserError(
                f"{path}: expected {shard.bytes} bytes as {FILE_NAME} says, found {size}; it was"
                " cut, or is a shard of another build: build the shards again, or restore it"
            )


def _without_info(folder: str, names: Sequence[str], split: str) -> ShardSet:
    shards = tuple(
        Shard(path, count_records(path)) for path in (files.join(folder, n) for n in names)
    )
    return ShardSet(shards, split or os.path.basename(folder), schema=_schema_of(shards[0].path))


def _schema_of(path: str) -> str:
    """Which schema the first record of a shard follows."""
    with files.open_read(path) as file:
        try:
            features = example.decode(next(tfrecord.read_records(file), b""))
        except ValueError as error:
            raise UserError(f"{path}: record 0: {error}; build the shards again") from None
    for name, fields in schema.SCHEMAS.items():
        if fields.encoded in features and fields.image_id in features:
            return name
    raise UserError(
        f"{path}: expected the features of {' or '.join(schema.SCHEMAS)} records, found"
        f" {', '.join(features) or 'none'}"
    )


def count_records(path: str) -> int:
    """Counts a shard's records by reading their headers only.

    Raises:
        UserError: If the shard is cut or is no TFRecord file.
    """
    count = 0
    with files.open_read(path) as file:
        size = file.seek(0, os.SEEK_END)
        position = 0
        while position < size:
            file.seek(position)
            header = file.read(12)
            whole = len(header) == 12
            length, crc = struct.unpack("<QI", header) if whole else (0, 0)
            if not count and (kind := tfrecord.compression(header)):
                raise UserError(
                    f"{path}: expected a TFRecord file that is not compressed, found one that is"
                    f" compressed with {kind}; write it again without compression"
                    + (" (gunzip unpacks it)" if kind == "GZIP" else "")
                )
            position += length + tfrecord.OVERHEAD
            if not whole or tfrecord.masked_crc(header[:8]) != crc or position > size:
                raise UserError(
                    f"{path}: expected a whole TFRecord file, found it cut or altered"
                    f" at record {count}; fetch or build it again"
                )
            count += 1
    return count
