"""Files of approximate indexes: written whole, with a description that shows damage."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from glrtf.retrieval.stage_cache import Written
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, json_shapes


def write(path: str, save: Callable[[str], object], **more: Any) -> None:
    """Writes an index and then its description.

    Args:
        path: Where to.
        save: Writes the index to the path that it is given.
        **more: What else the description says, JSON values.
    """
    with files.atomic_path(path) as temporary:
        save(temporary)
        written = {"bytes": os.path.getsize(temporary), "crc32c": files.crc32c(temporary)}
    files.write_json(description_of(path), {**written, **more})


def describe_again(path: str, described: Mapping[str, Any]) -> None:
    """Replaces an index's description, whose index is unchanged."""
    files.write_json(description_of(path), dict(described))


def exists(path: str) -> bool:
    """Whether an index was written whole."""
    return files.exists(path) and files.exists(description_of(path))


def description_of(path: str) -> str:
    """The description's path."""
    return f"{path}.json"


def refuse_damaged(path: str, kind: str, shape: Any = Written) -> Mapping[str, Any]:
    """Compares an index with its description, before a library reads it.

    Args:
        path: The index.
        kind: What it is called: ``an Annoy index``.
        shape: What the description must be; it has the keys of `Written`.

    Returns:
        The description.

    Raises:
        UserError: If the index or its description has changed since it was written.
    """
    expected = json_shapes.read(description_of(path), shape, "delete it to have it built again")
    if (os.path.getsize(path), files.crc32c(path)) != (expected["bytes"], expected["crc32c"]):
        raise UserError(
            f"{path}: expected {kind} as it was written, found it changed; delete it to "
            "have it built again"
        )
    return expected
