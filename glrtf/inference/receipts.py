"""Receipts: for each part of an embedding set, what it was made from and its digests.

A receipt is written last, so a part with a receipt is complete. It prevents a resumed run from
using rows of other data, and a set from being finished with rows that changed since.
"""

import hashlib
from collections.abc import Collection, Mapping
from typing import Any, TypedDict

from glrtf.data.shards import PhotoShard, Shard
from glrtf.embeddings.embedding_set import KINDS, part_file
from tfrecords_tools.storage import files, json_shapes
from tfrecords_tools.storage.local_copies import local_copy


class Receipt(TypedDict):
    """The source of a part, and the digests of its files."""

    source: str
    embeddings_sha256: str
    ids_sha256: str


def source_digest(shard: Shard) -> str:
    """A digest of a shard's bytes or of photos; computed if none is recorded.

    Args:
        shard: A shard, or photos that are treated as one.
    """
    if isinstance(shard, PhotoShard):
        content = hashlib.sha256()
        for path, image_id in shard.photos:
            content.update(f"{image_id} {_file_digest(path)}\n".encode(errors="surrogateescape"))
        return content.hexdigest()
    return shard.sha256 or _file_digest(shard.path)


def write(
    folder: str,
    part: int,
    num_parts: int,
    source: str,
    digests: Mapping[str, str],
    *,
    new: bool = False,
) -> None:
    """Writes the receipt of a part that `embedding_set.write_part` has written.

    Args:
        folder: The set's folder.
        part: Which part.
        num_parts: How many parts the set will have.
        source: The `source_digest` of what was embedded.
        digests: What `write_part` returned: the files are not read back.
        new: Whether the part is known to have no receipt.
    """
    files.write_json(_path(folder, part, num_parts), {"source": source, **digests}, new=new)


def is_done(
    folder: str, part: int, num_parts: int, names: Collection[str], source: str | None = None
) -> bool:
    """Whether a part exists and was made from the current data.

    Args:
        folder: The set's folder.
        part: Which part.
        num_parts: How many parts the set will have.
        names: The folder's files.
        source: The `source_digest` of what is to be embedded; None does not compare.
    """
    wanted = [part_file(kind, part, num_parts) for kind in KINDS]
    if not {*wanted, name_of(part, num_parts)} <= set(names):
        return False
    return source is None or read(folder, part, num_parts)["source"] == source


def read(folder: str, part: int, num_parts: int) -> dict[str, Any]:
    """A part's receipt: source, embeddings_sha256, ids_sha256.

    Raises:
        UserError: If it is missing or damaged.
    """
    path = _path(folder, part, num_parts)
    return json_shapes.read(path, Receipt)


def _file_digest(path: str) -> str:
    state = files.state(path)
    if state is not None and state.crc32c is not None:
        return f"crc32c {state.crc32c:08x} of {state.size} bytes"
    return files.sha256(local_copy(path))


def _path(folder: str, part: int, num_parts: int) -> str:
    return files.join(folder, name_of(part, num_parts))


def name_of(part: int, num_parts: int) -> str:
    """The file name of a part's receipt."""
    return f"receipt-{part:05d}-of-{num_parts:05d}.json"
