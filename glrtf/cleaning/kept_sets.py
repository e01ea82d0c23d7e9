"""The train sets without the images that were dropped."""

import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from glrtf.embeddings import embedding_set
from glrtf.embeddings.digests import Verify
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.embeddings.info import INFO_FILE
from glrtf.embeddings.part_writer import write_part
from tfrecords_tools.errors import UserError
from tfrecords_tools.progress import Progress
from tfrecords_tools.storage import files
from tfrecords_tools.storage.folders import atomic_folder

_SOURCE = "cleaned_from"
# What a set says of its shards, whose records it no longer has one by one.
_OF_SHARDS = ("shards", "num_rejected")


def folders(output: str, count: int) -> list[str]:
    """Where the sets are written: ``train``, or of several models ``train_1`` and so on."""
    if count == 1:
        return [files.join(output, "train")]
    return [files.join(output, f"train_{number}") for number in range(1, count + 1)]


def require_writable(output: str, sources: Sequence[str]) -> None:
    """Refuses folders that hold something else, or a set that is read.

    Raises:
        UserError: Naming the folder.
    """
    read = {os.path.realpath(source) for source in sources}
    for folder in folders(output, len(sources)):
        if os.path.realpath(folder) in read:
            raise UserError(
                f"--output {output}: expected another folder than that of --train {folder}, which"
                " would be replaced"
            )
        info = files.join(folder, INFO_FILE)
        if not os.path.isdir(folder) or not os.listdir(folder):
            continue
        if not files.exists(info) or _SOURCE not in EmbeddingSet.open(folder).meta:
            raise UserError(
                f"{folder}: expected nothing, or the set of an earlier glrtf clean --write_sets;"
                " found something else; choose another --output"
            )


def write(
    sources: Sequence[str], output: str, kept: npt.NDArray[np.bytes_], verify: Verify
) -> list[str]:
    """Writes the rows of the images that stay, in the parts and the number format of the sets.

    Args:
        sources: The train sets, one a model.
        output: The folder in which the sets are written.
        kept: (n,) S dtype, the ids of the images that stay.
        verify: As `EmbeddingSet.open` takes it.

    Returns:
        The folders of the sets, as of `folders`.
    """
    written = folders(output, len(sources))
    for source, folder in zip(sources, written, strict=True):
        one = EmbeddingSet.open(source, verify)
        # Until it is whole, an earlier one stays, and a killed command leaves none.
        with atomic_folder(folder) as staged:
            _write(staged, os.path.basename(folder), one, kept)
    return written


def _write(folder: str, name: str, one: EmbeddingSet, kept: npt.NDArray[np.bytes_]) -> None:
    with Progress(f"write {name}", one.num_rows, "row") as progress:
        for part in range(one.num_parts):
            rows, ids = one.part(part)
            chosen = np.isin(ids, kept)
            write_part(folder, part, one.num_parts, np.asarray(rows)[chosen], ids[chosen])
            progress.update(len(ids))
    meta = {name: value for name, value in one.meta.items() if name not in _OF_SHARDS}
    meta[_SOURCE] = one.digest
    embedding_set.finish(folder, one.num_parts, **meta)
