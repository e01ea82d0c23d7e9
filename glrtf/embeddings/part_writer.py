"""The parts of an embedding set: their names, writing them, and describing them."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from glrtf.embeddings import part_files as arrays
from glrtf.embeddings.info import SCHEMA_VERSION
from tfrecords_tools import image_ids
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import array_files, files
from tfrecords_tools.storage.local_copies import local_copy

KINDS = ("embeddings", "ids")
"""The files of a part."""
FLOATS: dict[str, np.dtype] = {"float16": np.dtype("float16"), "float32": np.dtype("float32")}
"""What rows are stored as."""

_PART_FILE = re.compile(r"^(?:embeddings|ids)-(\d{5})-of-(\d{5})\.npy$")
_ROWS_A_CHECK = 8192


def part_file(kind: str, part: int, num_parts: int) -> str:
    """A part's file name; `kind` is ``"embeddings"`` or ``"ids"``."""
    return f"{kind}-{part_stem(part, num_parts)}.npy"


def part_stem(part: int, num_parts: int, generation: int = 0) -> str:
    """What a part's file names have in common.

    Args:
        part: Which part.
        num_parts: Of how many that were written together.
        generation: Which version of the set they were written for; 0 for its first.
    """
    later = f"-g{generation:05d}" if generation else ""
    return f"{part:05d}-of-{num_parts:05d}{later}"


def write_part(
    folder: str,
    part: int,
    num_parts: int,
    rows: npt.ArrayLike,
    ids: npt.ArrayLike,
    *,
    names: Collection[str] | None = None,
    generation: int = 0,
) -> dict[str, str]:
    """Writes one part, each of its two files completely or not at all.

    Args:
        folder: The set's folder, created if missing.
        part: Which part, 0..num_parts-1.
        num_parts: How many parts the set will have.
        rows: (n, dimension) float32 or float16, each of length 1; n may be 0.
        ids: (n,) image ids, text or bytes, as `image_ids.RULE` says.
        names: The names in the folder, if known; saves a request for each on gs://.
        generation: Which version of the set the part is for; 0 for its first.

    Returns:
        embeddings_sha256 and ids_sha256, the digests of the two files as they were written.

    Raises:
        UserError: On a NaN, infinite or not normalised row, or an invalid id (`image_ids.RULE`).
        ValueError: On shapes, dtypes or part numbers that do not fit.
    """
    rows, ids = np.ascontiguousarray(rows), arrays.as_ids(ids)
    if not 0 <= part < num_parts:
        raise ValueError(f"part {part} of {num_parts} parts")
    if rows.ndim != 2 or ids.shape != rows.shape[:1]:
        raise ValueError(f"expected (n, dimension) rows and n ids, found {rows.shape}, {ids.shape}")
    if rows.dtype.name not in FLOATS:
        raise ValueError(f"expected float32 or float16 rows, found {rows.dtype}")
    image_ids.refuse_unsafe(folder, ids, "embed photos with --photo_ids digest, or rename them")
    for start in range(0, len(rows), _ROWS_A_CHECK):
        block = slice(start, start + _ROWS_A_CHECK)
        arrays.refuse_bad_rows(
            folder, rows[block].astype(np.float32), ids[block], range(start, len(rows))
        )
    digests = {}
    for kind, array in (("ids", ids), ("embeddings", rows)):
        name = f"{kind}-{part_stem(part, num_parts, generation)}.npy"
        new = names is not None and name not in names
        digests[f"{kind}_sha256"] = array_files.save(files.join(folder, name), array, new=new)
    return digests


def describe(
    folder: str, num_parts: int, receipts: Sequence[Mapping[str, str]] | None
) -> dict[str, Any]:
    """The content of embedding_set.json for a folder's parts, without its meta; see `finish`.

    Raises:
        UserError: If a part is missing or is not what its receipt says, or parts disagree in
            dimension or dtype.
    """
    described: list[dict[str, Any]] = []
    kinds: set[tuple[int, str]] = set()
    for part in range(num_parts):
        paths = {k: files.join(folder, part_file(k, part, num_parts)) for k in KINDS}
        rows = arrays.load_array(paths["embeddings"])
        if rows.ndim == 2:
            kinds.add((rows.shape[1], rows.dtype.name))
        digests = {f"{kind}_sha256": files.sha256(local_copy(path)) for kind, path in paths.items()}
        for kind in KINDS:
            if receipts and digests[f"{kind}_sha256"] != receipts[part][f"{kind}_sha256"]:
                raise UserError(
                    f"{paths[kind]}: changed since it was embedded; delete it, and the same "
                    "command embeds the part again"
                )
        described.append({"num_rows": len(rows), **digests})
    if len(kinds) != 1:
        raise UserError(
            f"{folder}: expected parts of one dimension and dtype, found {sorted(kinds)}; "
            "delete the parts of the other run"
        )
    dimension, dtype = kinds.pop()
    return {
        "schema_version": SCHEMA_VERSION,
        "dimension": dimension,
        "dtype": dtype,
        "num_rows": sum(part["num_rows"] for part in described),
        "parts": described,
    }


def refuse_other_parts(folder: str, num_parts: int) -> None:
    """Raises a `UserError` for a part file of a set with another number of parts."""
    for name in files.list_names(folder):
        found = _PART_FILE.match(name)
        if found and int(found[2]) != num_parts:
            raise UserError(
                f"{folder}: expected parts of {num_parts} only, found {name}; "
                "delete what another run left"
            )
