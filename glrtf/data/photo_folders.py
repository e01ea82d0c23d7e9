"""Folders of photos, read as if they were shards; photos may be nested in any way."""

import collections
import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from glrtf.data.shards import PhotoShard, ShardSet
from tfrecords_tools import file_kinds, image_ids, own_names
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import csv_files, files

PHOTOS_A_PART = 1024
LIST_NAME = "photos.csv"
LEFT_OUT_NAME = "left_out.csv"
_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".gif", ".bmp", ".tif", ".tiff"),
)
_HEIC = (".heic", ".heif", ".hif")
_ID_LENGTH = 16

IdRule = Literal["stem", "path", "digest"]


@dataclasses.dataclass(frozen=True)
class PhotoSet(ShardSet):
    """The photos of a folder.

    Attributes:
        left_out: Path below the folder and reason of each file, or linked folder, that is not a
            photo of the set, in the order of their paths.
    """

    left_out: tuple[tuple[str, str], ...] = ()


def open_photos(folder: str, split: str, rule: IdRule = "stem") -> PhotoSet:
    """Finds the photos below a folder, in the order of their names.

    Args:
        folder: Local or gs://; links to photos are followed, links to folders are not.
        split: The set's name.
        rule: How image_ids are made. ``stem``: unique file names without extension. ``path``: paths
            below the folder, with extension. Both are in NFC and follow `image_ids.RULE`.
            ``digest``: 16 hex digits of the SHA-256 of the path below the folder in NFC, as `glrtf
            arrange` makes them.

    Returns:
        Parts of `PHOTOS_A_PART` photos, whose names contain a digest of paths and sizes, and what
        was left out.

    Raises:
        UserError: If there are no photos, or their names are not valid ids.
    """
    found: list[tuple[str, int]] = []
    left_out: list[tuple[str, str]] = []
    for name, size, reason in sorted(_entries(folder)):
        if reason:
            left_out.append((name, reason))
        else:
            found.append((name, size))
    if not found:
        also = f" ({_message(left_out)})" if left_out else ""
        raise UserError(
            f"{folder}: expected shards, or photos ({' '.join(_SUFFIXES)}), found neither{also}"
        )
    names = [name for name, _ in found]
    ids = list(map(_IDS_OF[rule], names))
    _refuse_unclear(folder, names, ids)
    shards = []
    for first in range(0, len(found), PHOTOS_A_PART):
        rows = slice(first, first + PHOTOS_A_PART)
        title = _digest(repr((found[rows], ids[rows])))[:_ID_LENGTH]
        paths = [files.join(folder, name) for name in names[rows]]
        photos = tuple(zip(paths, ids[rows], strict=True))
        shards.append(PhotoShard(files.join(folder, title), len(photos), photos=photos))
    return PhotoSet(tuple(shards), split, left_out=tuple(left_out))


def left_out_note(shard_set: ShardSet) -> str:
    """One line about a folder's other files; empty if there are none."""
    if not isinstance(shard_set, PhotoSet) or not shard_set.left_out:
        return ""
    return (
        f"{len(shard_set.left_out)} files or folders are left out ({_message(shard_set.left_out)});"
        f" {LEFT_OUT_NAME} lists them"
    )


def write_list(shard_set: ShardSet, source: str, folder: str) -> None:
    """Writes photos.csv, which photo has which image_id, and left_out.csv, for a set of photos."""
    if not isinstance(shard_set, PhotoSet):
        return
    photos = [
        (image_id, os.path.relpath(path, source))
        for shard in shard_set.shards
        if isinstance(shard, PhotoShard)
        for path, image_id in shard.photos
    ]
    csv_files.write(files.join(folder, LIST_NAME), ("image_id", "path"), photos)
    csv_files.write(files.join(folder, LEFT_OUT_NAME), ("path", "reason"), shard_set.left_out)


def without_known(shard_set: ShardSet, known: npt.NDArray[np.bytes_]) -> tuple[ShardSet, int]:
    """Leaves out photos of a folder by their ids; shards stay as they are.

    Args:
        shard_set: What is to be embedded.
        known: The ids to leave out.

    Returns:
        The rest, and how many photos were left out.
    """
    if not isinstance(shard_set, PhotoSet):
        return shard_set, 0
    gone = set(known.tolist())
    shards = []
    for shard in shard_set.shards:
        assert isinstance(shard, PhotoShard)
        photos = tuple(pair for pair in shard.photos if pair[1].encode() not in gone)
        if photos:
            shards.append(PhotoShard(shard.path, len(photos), photos=photos))
    rest = dataclasses.replace(shard_set, shards=tuple(shards))
    return rest, shard_set.num_examples - rest.num_examples


def _entries(folder: str) -> Iterator[tuple[str, int, str]]:
    """Yields name below the folder, size, and why it is left out (empty for a photo)."""
    if files.is_remote(folder):
        for name, size in files.walk(folder):
            yield name, size, _unwanted(name, "")
        return
    unreadable: list[OSError] = []
    for below, folders, names in os.walk(folder, onerror=unreadable.append):
        for name in folders:
            if os.path.islink(path := os.path.join(below, name)):
                yield _shown(path, folder), 0, "a link to a folder; name the folder it leads to"
        for name in names:
            yield _local_entry(os.path.join(below, name), folder)
    for error in unreadable:
        yield _shown(str(error.filename), folder), 0, f"cannot be listed: {error.strerror}"


def _local_entry(path: str, folder: str) -> tuple[str, int, str]:
    name = os.path.relpath(path, folder)
    if not os.path.isfile(path):
        what = "a link to nothing" if os.path.islink(path) else "no regular file"
        return _shown(path, folder), 0, what
    if name != (shown := _shown(path, folder)):
        return shown, 0, "a name that is not UTF-8; rename it"
    return name, os.path.getsize(path), _unwanted(name, path)


def _unwanted(name: str, path: str) -> str:
    """Why a file is not accepted as a photo; its content is read if a path is given."""
    ending = os.path.splitext(name)[1].lower()
    if ending in _SUFFIXES:
        return ""
    if ending in _HEIC:
        return "a HEIC photo; convert it to JPEG"
    kind = ""
    if path:
        try:
            with open(path, "rb") as file:
                kind = file_kinds.describe(file.read(file_kinds.HEAD))
        except OSError as error:
            return f"cannot be read: {error.strerror}"
    if kind.endswith("image"):
        return f"{kind} without a photo's ending; rename it"
    return f"the ending {ending} is no photo's" if ending else "no ending of a photo"


def _shown(path: str, folder: str) -> str:
    """The path below the folder, in characters that a CSV in UTF-8 can hold."""
    return os.path.relpath(path, folder).encode(errors="backslashreplace").decode()


def _message(left_out: Sequence[tuple[str, str]]) -> str:
    """How often each reason occurs, the most frequent first."""
    counts = collections.Counter(reason.partition(";")[0] for _, reason in left_out)
    return ", ".join(f"{count} {reason}" for reason, count in counts.most_common(5))


def _stem(name: str) -> str:
    return own_names.composed(os.path.splitext(os.path.basename(name))[0])


def _path_digest(name: str) -> str:
    return _digest(own_names.composed(name))[:_ID_LENGTH]


_IDS_OF: dict[IdRule, Callable[[str], str]] = {
    "stem": _stem,
    "path": own_names.composed,
    "digest": _path_digest,
}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _refuse_unclear(folder: str, names: Sequence[str], ids: Sequence[str]) -> None:
    """Reports the first photo whose name is not a valid id."""
    seen: dict[str, str] = {}
    for name, image_id in zip(names, ids, strict=True):
        trouble = remedy = ""
        if not image_ids.is_safe(image_id):
            trouble, remedy = f"a name of {image_ids.RULE}", "digest"
        elif image_id in seen:
            trouble, remedy = f"another name than {seen[image_id]} has", "path"
        if trouble:
            raise UserError(
                f"{files.join(folder, name)}: expected {trouble}, found {image_id!r} as its"
                f" image id; rename it, or use --photo_ids {remedy}"
            )
        seen[image_id] = name
