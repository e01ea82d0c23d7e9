"""Shared by `whiten` and `adapt`: reads the sets of several models, writes sets of mapped rows."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

if TYPE_CHECKING:
    from glrtf.embeddings.adapter import Adapter
    from glrtf.embeddings.digests import Verify
    from glrtf.embeddings.embedding_set import EmbeddingSet
    from glrtf.embeddings.joined_rows import JoinedRows
    from glrtf.embeddings.rows import RowSource

ROLES = ("train", "query", "index")
_PREPARATION = (
    *("size", "max_side", "antialias", "precision", "preparation", "tta", "scales"),
    *("runtime", "split"),
)

_JOINED = "joined"


def open_sets(config: Any) -> "dict[str, list[EmbeddingSet]]":
    """The sets of each role, one per model, checked against those of the train images.

    Args:
        config: Has `train`, `query`, `index` and `verify`.

    Raises:
        UserError: If a set is incomplete, or the roles' sets are of different models.
    """
    from glrtf.embeddings.agreement import Agreement
    from glrtf.embeddings.embedding_set import EmbeddingSet

    sets = {
        role: [EmbeddingSet.open(folder, config.verify) for folder in getattr(config, role)]
        for role in ROLES
    }
    agreement = Agreement()
    for role in ROLES:
        _require_models_of(sets["train"], role, sets[role], agreement)
    return sets


def joined(
    sets: "Mapping[str, Sequence[EmbeddingSet]]", votes: Sequence[float]
) -> "dict[str, JoinedRows]":
    """Role -> the rows of its models, joined; roles without sets left out."""
    from glrtf.embeddings.joined_rows import join

    return {role: join(source, votes) for role, source in sets.items() if source}


def write_set(
    folder: str,
    rows: "JoinedRows",
    part_of: Callable[["JoinedRows", int], np.ndarray],
    meta: dict[str, Any],
    verify: "Verify",
) -> None:
    """Writes a set of mapped rows, unless it exists.

    Args:
        folder: The set's folder.
        rows: The rows to map.
        part_of: Maps the rows of a part.
        meta: The set's description.
        verify: As in `EmbeddingSet.open`.

    Raises:
        UserError: If the folder contains another set.
    """
    from glrtf.embeddings import embedding_set
    from glrtf.embeddings.info import INFO_FILE
    from tfrecords_tools.progress import Progress

    if files.exists(files.join(folder, INFO_FILE)):
        found = embedding_set.EmbeddingSet.open(folder, verify).meta
        # Earlier versions did not record how photos had been prepared.
        known = {name: value for name, value in meta.items() if name in found}
        if known != found or not set(meta) - set(known) <= {*_PREPARATION, _JOINED}:
            raise UserError(f"{folder}: is another set; choose another --output or remove it")
        return
    lengths = rows.part_lengths
    first = 0
    with Progress(f"write {os.path.basename(folder)}", sum(lengths), "row") as progress:
        for part, length in enumerate(lengths):
            ids = rows.ids[first : first + length]
            embedding_set.write_part(folder, part, len(lengths), part_of(rows, part), ids)
            first += length
            progress.update(length)
    embedding_set.finish(folder, len(lengths), **meta)


def mapped_part(rows: "RowSource", part: int, adapter: "Adapter") -> np.ndarray:
    """A part's rows, mapped, float32 (rows, adapter.dimension)."""
    from glrtf.embeddings.adapted_rows import AdaptedRows

    return AdaptedRows(rows, adapter).read(part, 0, rows.part_lengths[part])


def preparation(metas: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How the photos of the sets were prepared, which mapping does not change.

    Args:
        metas: What the sets, one a model, say of themselves.

    Returns:
        The settings of one model by name; of several, a list of them as ``joined``.
    """
    each = [{name: meta[name] for name in _PREPARATION if name in meta} for meta in metas]
    if len(each) == 1:
        return each[0]
    return {_JOINED: each} if any(each) else {}


def _require_models_of(
    train: Sequence[Any], role: str, sets: Sequence[Any], agreement: Any
) -> None:
    if sets and len(sets) != len(train):
        raise UserError(
            f"--{role}: expected {len(train)} embedding sets as of --train, found {len(sets)}"
        )
    for place, (one, other) in enumerate(zip(train, sets, strict=False)):
        agreement.add(f"--{role} {other.folder}", other.meta, place)
        if one.dimension != other.dimension:
            raise UserError(
                f"--{role} {other.folder}: expected rows of {one.dimension} numbers as in"
                f" {one.folder}, found {other.dimension}; name the sets in the same order"
            )
