"""Adds rows to a finished embedding set and removes some, each as one new version of the set.

New rows go into files of their own, removed rows are only listed, and the description, which names
all files and their digests, is replaced last and in one step. So a process that is killed at any
moment leaves the old version or the new one, and processes that have the old one open keep
reading it. Only `compact` deletes files that an earlier version had.
"""

import contextlib
import dataclasses
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.agreement import Agreement
from glrtf.embeddings.digests import Verify
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.embeddings.info import CHANGED_VERSION, INFO_FILE
from glrtf.embeddings.part_writer import KINDS, part_stem, write_part
from glrtf.embeddings.set_parts import SetPart
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import file_systems, files, temporary_files

Existing = Literal["skip", "replace", "error"]
"""What happens to images that are added although the set has rows of them."""

_PART_FILE = re.compile(r"^(?:embeddings|ids)-(\d{5}-of-\d{5}(?:-g\d{5})?)\.npy$")
_BYTES_A_PART = 1 << 28
_NAMED_IN_MESSAGES = 3


@dataclasses.dataclass(frozen=True)
class SetChange:
    """What became of a set.

    Attributes:
        set: The set as it is now, opened.
        added: How many rows were added, those that replaced others included.
        removed: How many rows were removed, those that others replaced included.
        skipped: How many images stayed as they were: added ones that the set had already, or
            removed ones that it did not have.
    """

    set: EmbeddingSet
    added: int = 0
    removed: int = 0
    skipped: int = 0


def add(
    folder: str, addition: EmbeddingSet, existing: Existing = "skip", verify: Verify = "once"
) -> SetChange:
    """Adds the rows of another set behind those of a set.

    Args:
        folder: The set to change.
        addition: The new rows, made as the set's were.
        existing: What happens to images that the set has already: ``skip`` leaves the set's rows,
            ``replace`` removes them, ``error`` raises.
        verify: As `EmbeddingSet.open` takes it.

    Raises:
        UserError: If the rows were made otherwise than the set's, or another process is changing
            the set.
    """
    with _changing(folder):
        opened = EmbeddingSet.open(folder, verify)
        _require_alike(opened, addition)
        known = np.isin(addition.ids, opened.ids)
        if existing == "error" and known.any():
            raise UserError(
                f"{addition.folder}: expected images that {folder} does not have, found"
                f" {_named(addition.ids[known], 'in it')}; add them with --existing skip or replace"
            )
        new = np.ones(len(known), bool) if existing == "replace" else ~known
        if not new.any():
            return SetChange(opened, skipped=len(known))
        kept = list(opened.parts)
        if existing == "replace":
            kept = _without(opened, np.isin(opened.ids, addition.ids))
        parts = [*kept, *_written(folder, addition, new, opened)]
        done = _commit(opened, parts)
        removed = opened.num_rows - sum(part.num_rows for part in kept)
        return SetChange(done, int(new.sum()), removed, int((~new).sum()))


def remove(
    folder: str,
    ids: npt.NDArray[np.bytes_],
    *,
    ignore_unknown: bool = False,
    verify: Verify = "once",
) -> SetChange:
    """Removes images from a set; their rows stay in its files until it is compacted.

    Args:
        folder: The set to change.
        ids: (n,) image ids.
        ignore_unknown: Whether ids that the set does not have are skipped.
        verify: As `EmbeddingSet.open` takes it.

    Raises:
        UserError: If an id is unknown, no row would be left, or another process is changing the
            set.
    """
    with _changing(folder):
        opened = EmbeddingSet.open(folder, verify)
        wanted = np.unique(ids)
        unknown = wanted[~np.isin(wanted, opened.ids)]
        if len(unknown) and not ignore_unknown:
            raise UserError(
                f"{folder}: expected ids of the set, found {_named(unknown, 'not in it')}; name"
                " others, or add --ignore_unknown true"
            )
        gone = np.isin(opened.ids, wanted)
        if not gone.any():
            return SetChange(opened, skipped=len(unknown))
        if gone.all():
            raise UserError(
                f"{folder}: expected some images to stay, found all {len(gone)} named; delete the"
                " folder to delete the set"
            )
        done = _commit(opened, _without(opened, gone))
        return SetChange(done, removed=int(gone.sum()), skipped=len(unknown))


def compact(folder: str, verify: Verify = "once") -> SetChange:
    """Writes a set's rows into new files, in their order, and deletes all others.

    Args:
        folder: The set to change.
        verify: As `EmbeddingSet.open` takes it.

    Raises:
        UserError: If another process is changing the set.
    """
    with _changing(folder):
        opened = EmbeddingSet.open(folder, verify)
        if not opened.generation:
            _delete_unused(opened)
            return SetChange(opened)
        row_bytes = opened.dimension * opened.dtype.itemsize
        count = max(1, -(-opened.num_rows * row_bytes // _BYTES_A_PART))
        bounds = [opened.num_rows * part // count for part in range(count + 1)]
        parts = []
        for number in range(count):
            wanted = range(bounds[number], bounds[number + 1])
            rows = np.concatenate([np.array(block) for block in _blocks(opened, wanted)])
            ids = opened.ids[wanted.start : wanted.stop]
            parts.append(_write(folder, number, count, rows, ids, opened.generation + 1))
        done = _commit(opened, parts)
        _delete_unused(done)
        return SetChange(done)


def _blocks(opened: EmbeddingSet, wanted: range) -> Iterator[np.ndarray]:
    """The rows of a range, as stored, part by part."""
    first = 0
    for number, length in enumerate(opened.part_lengths):
        start, stop = max(wanted.start - first, 0), min(wanted.stop - first, length)
        if start < stop:
            yield opened.part(number)[0][start:stop]
        first += length


@contextlib.contextmanager
def _changing(folder: str) -> Iterator[None]:
    """Keeps other processes of this kind off the folder; storage on gs:// has no locks."""
    if files.is_remote(folder) or not os.path.isdir(folder):
        yield
        return
    with file_systems.locked(folder) as ours:
        if not ours:
            raise UserError(
                f"{folder}: expected no other command to change the set, found one running; try"
                " again when it has finished"
            )
        temporary_files.remove_stale(folder)
        yield


def _require_alike(opened: EmbeddingSet, addition: EmbeddingSet) -> None:
    agreement = Agreement()
    agreement.add(opened.folder, opened.meta)
    agreement.add(addition.folder, addition.meta)
    if addition.dimension != opened.dimension:
        raise UserError(
            f"{addition.folder}: expected rows of dimension {opened.dimension} as in"
            f" {opened.folder}, found {addition.dimension}; embed both with the same model"
        )


def _without(opened: EmbeddingSet, gone: npt.NDArray[np.bool_]) -> list[SetPart]:
    """The parts without the rows that are gone, (num_rows,) bool; parts left empty go too."""
    parts, first = [], 0
    for part in opened.parts:
        local = part.stored(np.flatnonzero(gone[first : first + part.num_rows]))
        first += part.num_rows
        removed = tuple(sorted({*part.removed, *local.tolist()}))
        changed = dataclasses.replace(part, removed=removed)
        if changed.num_rows or not len(local):
            parts.append(changed)
    return parts


def _written(
    folder: str, addition: EmbeddingSet, new: npt.NDArray[np.bool_], opened: EmbeddingSet
) -> list[SetPart]:
    """Writes the new rows of an addition, (its rows,) bool, as parts of the next version."""
    starts = np.concatenate([[0], np.cumsum(addition.part_lengths, dtype=np.int64)])
    masks = [new[start:stop] for start, stop in itertools.pairwise(starts)]
    numbers = [number for number, mask in enumerate(masks) if mask.any()]
    parts = []
    for place, number in enumerate(numbers):
        rows, ids = addition.part(number)
        chosen = np.array(rows[masks[number]], opened.dtype)
        parts.append(
            _write(folder, place, len(numbers), chosen, ids[masks[number]], opened.generation + 1)
        )
    return parts


def _write(
    folder: str,
    number: int,
    count: int,
    rows: np.ndarray,
    ids: npt.NDArray[np.bytes_],
    generation: int,
) -> SetPart:
    written = write_part(folder, number, count, rows, ids, generation=generation)
    digests = {kind: written[f"{kind}_sha256"] for kind in KINDS}
    return SetPart(part_stem(number, count, generation), len(rows), digests)


def _commit(opened: EmbeddingSet, parts: Sequence[SetPart]) -> EmbeddingSet:
    """Replaces the description, by which the new version takes the old one's place."""
    described = [part.described(number, len(parts)) for number, part in enumerate(parts)]
    info: dict[str, Any] = {
        "schema_version": CHANGED_VERSION,
        "generation": opened.generation + 1,
        "dimension": opened.dimension,
        "dtype": opened.dtype.name,
        "num_rows": sum(part.num_rows for part in parts),
        "parts": described,
        "meta": opened.meta,
    }
    files.write_json(files.join(opened.folder, INFO_FILE), info)
    return EmbeddingSet.open(opened.folder)


def _delete_unused(opened: EmbeddingSet) -> None:
    """Deletes part files that the set does not have: of earlier versions or killed processes."""
    stems = {part.stem for part in opened.parts}
    for name in files.list_names(opened.folder):
        found = _PART_FILE.match(name)
        if found and found[1] not in stems:
            files.delete(files.join(opened.folder, name))


def _named(ids: npt.NDArray[np.bytes_], where: str) -> str:
    shown = ", ".join(one.decode(errors="replace") for one in ids[:_NAMED_IN_MESSAGES])
    return f"{len(ids)} {where} ({shown}{', …' if len(ids) > _NAMED_IN_MESSAGES else ''})"
