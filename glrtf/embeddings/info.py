"""embedding_set.json: what a finished embedding set says of itself."""

import hashlib
import json
from typing import Any, Literal, TypedDict

from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, json_shapes

INFO_FILE = "embedding_set.json"
SCHEMA_VERSION = 1


class PartInfo(TypedDict):
    """One part: its rows, and the digests of its files."""

    num_rows: int
    embeddings_sha256: str
    ids_sha256: str


class Meta(TypedDict, total=False):
    """What is known of the rows, as far as commands read it."""

    model: str
    model_digest: str | None
    size: int | None
    max_side: int | None
    antialias: bool | None
    precision: str | None
    tta: list[str] | None
    scales: list[float] | None
    num_rejected: int
    preparation: dict[str, Any] | None


class SetInfo(TypedDict):
    """embedding_set.json."""

    schema_version: int
    parts: list[PartInfo]
    dimension: int
    dtype: Literal["float16", "float32"]
    meta: Meta


def read_info(folder: str) -> dict[str, Any]:
    """The description of a set.

    Raises:
        UserError: If the folder or the file is missing, damaged, or of another version.
    """
    path = files.join(folder, INFO_FILE)
    if not files.exists(folder):
        raise UserError(f"{folder}: no such folder; expected an embedding set")
    if not files.exists(path):
        raise UserError(
            f"{folder}: expected an embedding set, found no {INFO_FILE}; "
            "the set is unfinished: run the embedding again"
        )
    info = files.read_json(path)
    version = info.get("schema_version") if isinstance(info, dict) else None
    if version != SCHEMA_VERSION:
        raise UserError(f"{path}: expected schema_version {SCHEMA_VERSION}, found {version!r}")
    json_shapes.require(path, info, SetInfo)
    least = min([info["dimension"] - 1, *(part["num_rows"] for part in info["parts"])])
    if least < 0:
        raise UserError(f"{path}: expected positive numbers, found {least}; make the set again")
    return info


def digest_of(info: dict[str, Any]) -> str:
    """SHA-256 over a set's dimension, dtype and the digests of its parts."""
    content = {key: info[key] for key in ("dimension", "dtype", "parts")}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
