"""embedding_set.json: the description of a finished embedding set."""

import hashlib
import itertools
import json
import os
import re
from typing import Any, Literal, NotRequired, TypedDict

from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, json_shapes

INFO_FILE = "embedding_set.json"
SCHEMA_VERSION = 1
CHANGED_VERSION = 2
"""Of a set that was changed since it was made, which earlier releases would misread."""

_STEM = re.compile(r"^\d{5}-of-\d{5}(-g\d{5})?$")


class PartInfo(TypedDict):
    """One part: its rows, and the digests of its files.

    In a set that was changed, ``file`` is what the names of its files have in common, where that
    is not ``00000-of-00004`` by the part's number, and ``removed`` the rows of the files that do
    not count any more, ascending. Both are left out where they say nothing.
    """

    num_rows: int
    embeddings_sha256: str
    ids_sha256: str
    file: NotRequired[str]
    removed: NotRequired[list[int]]


class Meta(TypedDict, total=False):
    """The facts about the rows that commands read."""

    model: str
    model_digest: str | None
    size: int | None
    max_side: int | None
    antialias: bool | None
    precision: str | None
    precision_check: dict[str, Any] | None
    tta: list[str] | None
    scales: list[float] | None
    num_rejected: int
    preparation: dict[str, Any] | None
    joined: list[dict[str, Any]] | None


class SetInfo(TypedDict):
    """embedding_set.json."""

    schema_version: int
    parts: list[PartInfo]
    dimension: int
    dtype: Literal["float16", "float32"]
    meta: Meta
    generation: NotRequired[int]


def read_info(folder: str) -> dict[str, Any]:
    """The description of a set.

    Raises:
        UserError: If the folder or the file is missing, damaged, or of another version.
    """
    path = files.join(folder, INFO_FILE)
    if not files.exists(folder):
        raise UserError(f"{folder or repr(folder)}: no such folder; expected an embedding set")
    if array := _array_kind(folder):
        raise UserError(
            f"{folder}: expected an embedding set, a folder, found {array}; `glrtf rows import"
            f" --source {folder} --output SET --model NAME` makes a set of it"
        )
    if os.path.isfile(folder):
        hint = "; name the folder it is in" if os.path.basename(folder) == INFO_FILE else ""
        raise UserError(f"{folder}: expected an embedding set, a folder, found a file{hint}")
    if not files.exists(path):
        raise UserError(
            f"{folder}: expected an embedding set, found no {INFO_FILE}; "
            "the set is unfinished: run the embedding again"
        )
    info = files.read_json(path)
    version = info.get("schema_version") if isinstance(info, dict) else None
    if version not in (SCHEMA_VERSION, CHANGED_VERSION):
        raise UserError(f"{path}: expected schema_version {SCHEMA_VERSION}, found {version!r}")
    json_shapes.require(path, info, SetInfo)
    least = min([info["dimension"] - 1, *(part["num_rows"] for part in info["parts"])])
    if least < 0:
        raise UserError(f"{path}: expected positive numbers, found {least}; make the set again")
    for part in info["parts"]:
        _require_part(path, part)
    return info


def _require_part(path: str, part: dict[str, Any]) -> None:
    """Raises a `UserError` for a part whose files or removed rows cannot be."""
    stem, removed = part.get("file", ""), part.get("removed", [])
    if stem and not _STEM.match(stem):
        raise UserError(
            f"{path}: expected a file such as 00000-of-00001-g00001, found {stem!r}; make the set"
            " again"
        )
    ascending = all(one < other for one, other in itertools.pairwise(removed))
    if removed and not (ascending and removed[0] >= 0 and removed[-1] < part["num_rows"]):
        raise UserError(
            f"{path}: expected removed rows from 0 to {part['num_rows'] - 1}, ascending, found"
            f" others; make the set again"
        )


_ARRAYS = {
    **{".npy": "an array", ".npz": "an archive of arrays", ".parquet": "a Parquet table"},
    **{".h5": "an HDF5 file", ".hdf5": "an HDF5 file"},
    **{".faiss": "a faiss index", ".index": "a faiss index"},
}


def _array_kind(path: str) -> str:
    """The kind of other programs' rows at a path; empty for a folder that may be a set."""
    ending = os.path.splitext(path)[1].lower()
    if not os.path.isdir(path):
        return _ARRAYS.get(ending, "")
    names = files.list_names(path)
    if INFO_FILE in names:
        return ""
    if any(name.endswith(".parquet") for name in names):
        return "a folder of Parquet tables"
    arrow = "state.json" in names and any(name.endswith(".arrow") for name in names)
    return "a data set of Arrow tables" if arrow else ""


def digest_of(info: dict[str, Any]) -> str:
    """SHA-256 over a set's dimension, dtype and the digests of its parts.

    What files are called does not count: a set that was changed and compacted has the digest of
    one that was made of the same rows at once.
    """
    content = {key: info[key] for key in ("dimension", "dtype")}
    content["parts"] = [
        {key: value for key, value in part.items() if key != "file"} for part in info["parts"]
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
