"""Folders of photos as if they were shards: any photos, nested in any way."""

import csv
import hashlib
import io
import os
from collections.abc import Sequence
from typing import Literal

from glrtf.data.shards import PhotoShard, ShardSet
from tfrecords_tools import files
from tfrecords_tools.errors import UserError

PHOTOS_A_PART = 1024
LIST_NAME = "photos.csv"
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif", ".bmp", ".tif", ".tiff")
_ID_LENGTH = 16

IdRule = Literal["stem", "digest"]


def open_photos(folder: str, split: str, rule: IdRule = "stem") -> ShardSet:
    """Finds the photos below a folder, in the order of their names.

    Args:
        folder: Local or gs://; links are not followed.
        split: What the set is called.
        rule: What the image_ids are. ``stem``: file names without their ending, which must
            be of at most 16 ASCII characters, each once. ``digest``: 16 hex digits of the
            SHA-256 of the path below the folder.

    Returns:
        Parts of `PHOTOS_A_PART` photos, whose names tell paths and sizes by a digest.

    Raises:
        UserError: If there are no photos, or their names are no ids.
    """
    found = sorted(
        (name, size) for name, size in files.walk(folder) if name.lower().endswith(_SUFFIXES)
    )
    if not found:
        raise UserError(
            f"{folder}: expected shards, or photos ({' '.join(_SUFFIXES)}), found neither"
        )
    names = [name for name, _ in found]
    image_ids = [_stem(name) if rule == "stem" else _digest(name)[:_ID_LENGTH] for name in names]
    _refuse_unclear(folder, names, image_ids)
    shards = []
    for first in range(0, len(found), PHOTOS_A_PART):
        rows = slice(first, first + PHOTOS_A_PART)
        title = _digest(repr((found[rows], image_ids[rows])))[:_ID_LENGTH]
        paths = [files.join(folder, name) for name in names[rows]]
        photos = tuple(zip(paths, image_ids[rows], strict=True))
        shards.append(PhotoShard(files.join(folder, title), len(photos), photos=photos))
    return ShardSet(tuple(shards), split)


def write_list(shard_set: ShardSet, source: str, folder: str) -> None:
    """Writes photos.csv, which photo has which image_id, where the set is of photos."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image_id", "path"])
    for shard in shard_set.shards:
        if not isinstance(shard, PhotoShard):
            return
        writer.writerows([i, os.path.relpath(path, source)] for path, i in shard.photos)
    files.write_bytes(files.join(folder, LIST_NAME), text.getvalue().encode(errors="replace"))


def _stem(name: str) -> str:
    return os.path.splitext(os.path.basename(name))[0]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _refuse_unclear(folder: str, names: Sequence[str], image_ids: Sequence[str]) -> None:
    """One line for the first photo whose name is no id."""
    seen: dict[str, str] = {}
    for name, image_id in zip(names, image_ids, strict=True):
        trouble = ""
        if not image_id.isascii() or len(image_id) > _ID_LENGTH:
            trouble = f"names of at most {_ID_LENGTH} ASCII characters"
        elif image_id in seen:
            trouble = f"another name than {seen[image_id]} has"
        if trouble:
            raise UserError(
                f"{files.join(folder, name)}: expected {trouble} before the ending, found"
                f" {image_id!r}; rename it, or use --photo_ids digest"
            )
        seen[image_id] = name
