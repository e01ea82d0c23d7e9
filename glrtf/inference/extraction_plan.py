"""plan.json of an embedding: what its rows depend on, and whether a folder may be continued."""

import os
from collections.abc import Sequence
from typing import Any

from glrtf.data.shards import ShardSet
from glrtf.inference.embedder import Embedder
from glrtf.inference.precision_check import KEY
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, json_shapes, temporary_files

PLAN_NAME = "plan.json"
# Settings that plans of earlier versions do not record.
_EARLIER: dict[str, Any] = {
    **{"max_side": 0, "antialias": False, "precision": "float32"},
    **{"runtime": "tensorflow", "preparation": None},
}


def make(
    embedder: Embedder,
    shard_set: ShardSet,
    views: Sequence[str],
    scales: Sequence[float],
    dtype: str,
) -> dict[str, Any]:
    """Everything that the set's bytes depend on, JSON values."""
    return {
        **embedder.description(),
        # Only if they are set: sets of this project's models stay unchanged.
        **({"runtime": embedder.runtime} if embedder.runtime != "tensorflow" else {}),
        **({"preparation": embedder.preparation} if embedder.preparation else {}),
        "split": shard_set.split,
        "tta": list(views),
        "scales": list(scales),
        "row_dtype": dtype,
        "shards": [[os.path.basename(s.path), s.num_examples, s.sha256] for s in shard_set.shards],
    }


def compared(folder: str, plan: dict[str, Any]) -> dict[str, Any]:
    """The plan, with the precision check of the one that the folder has, if any.

    Raises:
        UserError: If the folder has another plan.
    """
    stored = _read(folder)
    if stored is None:
        return plan
    checked = {name: stored[name] for name in (KEY,) if name in stored}
    stored = {**_EARLIER, **stored}
    for name, value in {**_EARLIER, **plan}.items():
        if name not in ("model", KEY) and stored.get(name) != value:
            expected, found = f"{name} {value}", f"{stored.get(name)}"
            if name == "shards":
                expected, found = _first_difference(value, stored.get(name))
            raise UserError(
                f"{folder}: expected to continue an embedding with {expected}, found one with"
                f" {found}; choose another --output or remove the folder"
            )
    return {**plan, **checked}


def keep_to(folder: str, plan: dict[str, Any]) -> None:
    """Writes the plan, or refuses a folder that has another one; removes stale temporary files.

    A precision check is added to a plan that has none.
    """
    temporary_files.remove_stale(folder)
    compared(folder, plan)
    stored = _read(folder)
    if stored is None or (KEY in plan and KEY not in stored):
        files.write_json(files.join(folder, PLAN_NAME), plan)


def _read(folder: str) -> dict[str, Any] | None:
    path = files.join(folder, PLAN_NAME)
    return json_shapes.read(path, dict[str, Any]) if files.exists(path) else None


def _first_difference(shards: list[list], others: Any) -> tuple[str, str]:
    """The first shard that differs between two plans."""
    if not isinstance(others, list) or len(others) != len(shards):
        count = len(others) if isinstance(others, list) else "no"
        return f"{len(shards)} shards", f"{count} shards"
    pair = next(pair for pair in zip(shards, others, strict=True) if pair[0] != pair[1])
    ours, theirs = (each if isinstance(each, list) else [each] for each in pair)
    return f"the shard {_shard_shown(ours)}", _shard_shown(theirs)


def _shard_shown(shard: list) -> str:
    """Name, number of records and digest, as far as a plan has them."""
    name, count, digest = [*map(str, shard), "?", "?", "?"][:3]
    return f"{name} of {count} records, digest {digest[:12] or 'unknown'}"
