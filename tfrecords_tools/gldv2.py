"""The layout in which Google Landmarks v2 is published: tars, extracted files, md5 files, ids."""

import dataclasses
import re

import numpy as np

from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

SPLITS = ("train", "index", "test")
VALIDATION = "validation"

_TAR = re.compile(r"images_\d{3}\.tar")
_ID = re.compile(r"[0-9a-f]{16}")
_MEMBER = re.compile(r"(?:\./)?([0-9a-f])/([0-9a-f])/([0-9a-f])/(\1\2\3[0-9a-f]{13})\.jpg")


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where one split's images are.

    Attributes:
        split: ``train``, ``index`` or ``test``.
        root: The published layout's root folder.
        folder: The split's folder below it.
        tars: The tar files' names, sorted; empty if the files are extracted.
    """

    split: str
    root: str
    folder: str
    tars: tuple[str, ...]


def find_layout(root: str, split: str) -> Layout:
    """Finds out how a split's images are stored.

    Raises:
        UserError: If there are neither tars nor extracted files.
    """
    folder = files.join(root, split)
    if not files.exists(folder):
        raise UserError(
            f"{folder}: no such folder; --source is the folder that holds {split}/ and metadata/, "
            "as GLDv2 is published"
        )
    names = files.list_names(folder)
    tars = tuple(name for name in names if _TAR.fullmatch(name))
    if not tars and not any(re.fullmatch(r"[0-9a-f]", name) for name in names):
        raise UserError(
            f"{folder}: expected images_NNN.tar files or extracted folders 0..f, "
            f"found {', '.join(names[:3]) or 'nothing'}; --source is the folder that holds {split}/"
        )
    return Layout(split, root, folder, tars)


def parse_id(text: str) -> int | None:
    """An image_id's 16 hex digits as a number; None for anything else."""
    return int(text, 16) if _ID.fullmatch(text) else None


def parse_member(name: str) -> int | None:
    """The image_id in ``a/b/c/<id>.jpg`` as a number; None for any other name."""
    found = _MEMBER.fullmatch(name)
    return int(found[4], 16) if found else None


def format_id(number: int) -> str:
    """An image_id's number as its 16 hex digits."""
    return f"{number:016x}"


def member_path(number: int) -> str:
    """An image's path in a tar or an extracted folder: ``a/b/c/<id>.jpg``."""
    text = format_id(number)
    return f"{text[0]}/{text[1]}/{text[2]}/{text}.jpg"


def published_md5(layout: Layout, tar: str) -> str | None:
    """The MD5 digest published for a tar, None if there is no md5 file.

    Raises:
        UserError: If the md5 file contains no digest.
    """
    stem = tar.removesuffix(".tar")
    path = files.join(layout.root, "md5sum", layout.split, f"md5.{stem}.txt")
    if not files.exists(path):
        return None
    text = files.read_bytes(path).decode("ascii", errors="replace").strip()
    if not (found := re.match(r"([0-9a-fA-F]{32})\b", text)):
        raise UserError(
            f"{path}: expected an MD5 digest, found {text[:40]!r}; fetch the file again"
        )
    return found[1].lower()


def metadata_path(root: str, name: str) -> str:
    """The path of one of the published CSVs."""
    return files.join(root, "metadata", name)


MEMBERS_DTYPE = np.dtype([("id", "<u8"), ("offset", "<u8"), ("size", "<u4")])
"""One image of a tar: its image_id as a number, its bytes' offset and length."""
