"""Photos without labels that a run learns from by their rows alone."""

import dataclasses
from collections.abc import Sequence

from glrtf.data.shards import ShardSet, open_shards
from tfrecords_tools.dataset_info import FILE_NAME, DatasetInfo
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

_FLAG = "--distill.extra_data"


def split_of(folder: str) -> str:
    """Which split the shards of a folder are, as their dataset_info.json says.

    Raises:
        UserError: If there is none.
    """
    if not files.exists(files.join(folder, FILE_NAME)):
        raise UserError(
            f"{_FLAG} {folder}: expected the shards of one split with {FILE_NAME}, such as"
            " SHARDS/index, found none; build shards with glrtf build"
        )
    return DatasetInfo.load(folder).split


def require_extra(folder: str) -> None:
    """Checks that a folder has shards that a run may learn from without labels.

    Raises:
        UserError: If it has none, or those of test photos.
    """
    if split_of(folder) == "test":
        raise UserError(
            f"{_FLAG} {folder}: expected train or index photos, found the split test, whose photos"
            " only measure the model; leave it out"
        )


def with_extra_photos(shards: ShardSet, folders: Sequence[str]) -> ShardSet:
    """The train shards of a run with those of photos whose labels are not used.

    Args:
        shards: The train split; its classes and description stay.
        folders: The other photos' shards, one split each.

    Raises:
        UserError: If there are none, or they hold the same photos, or another kind of records.
    """
    known = {shard.sha256 or shard.path for shard in shards.shards}
    found = list(shards.shards)
    for folder in folders:
        require_extra(folder)
        extra = open_shards(folder, split_of(folder))
        if extra.schema != shards.schema:
            raise UserError(
                f"{_FLAG} {folder}: expected {shards.schema} records as in the train shards, found"
                f" {extra.schema}; build both with glrtf build"
            )
        for shard in extra.without_empty().shards:
            if (mark := shard.sha256 or shard.path) in known:
                raise UserError(
                    f"{_FLAG} {folder}: expected photos that are read once, found {shard.path},"
                    " which --data or another folder holds too; leave it out"
                )
            known.add(mark)
            found.append(dataclasses.replace(shard, labelled=False))
    return dataclasses.replace(shards, shards=tuple(found))
