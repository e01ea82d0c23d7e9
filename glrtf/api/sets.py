"""Embedding sets: open, write and join them."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from glrtf.api.row_sources import Path, opened
from tfrecords_tools.errors import UserError

if TYPE_CHECKING:
    import numpy.typing as npt

    from glrtf.embeddings.embedding_set import EmbeddingSet
    from glrtf.embeddings.rows import JoinedRows


def open_set(folder: Path, verify: Literal["once", "always"] = "once") -> "EmbeddingSet":
    """Opens an embedding set and checks that its files are what its description says.

    Args:
        folder: The set's folder, a path or gs://.
        verify: ``once`` skips files that were compared with their digests before and stand
            unchanged; ``always`` compares all.

    Raises:
        UserError: If the set is missing, unfinished or damaged.
    """
    from glrtf.embeddings.embedding_set import EmbeddingSet

    return EmbeddingSet.open(folder, verify)


def write_set(
    folder: Path, rows: "npt.ArrayLike", ids: "npt.ArrayLike", **meta: Any
) -> "EmbeddingSet":
    """Writes an embedding set of one part.

    Args:
        folder: A new folder.
        rows: (n, dimension) float32 or float16, each of length 1.
        ids: (n,) image ids, 1 to 16 ASCII characters each.
        **meta: What is to be known of the rows, JSON values, such as ``model="mine"``.

    Returns:
        The set, opened.

    Raises:
        UserError: If the folder holds a set already, a row is not finite or not of length 1, or
            an id comes twice or has other characters.
    """
    from glrtf.embeddings import embedding_set
    from glrtf.embeddings.info import INFO_FILE
    from tfrecords_tools.storage import files

    folder = os.fspath(folder)
    if files.exists(files.join(folder, INFO_FILE)):
        raise UserError(f"{folder}: expected a new folder, found an embedding set; name another")
    embedding_set.write_part(folder, 0, 1, rows, ids)
    return embedding_set.finish(folder, 1, **meta)


def join_sets(
    sets: "Sequence[Path | EmbeddingSet]", votes: Sequence[float] | None = None
) -> "JoinedRows":
    """Joins the sets that several models made of the same images, matched by image id.

    Args:
        sets: Folders or open sets, one a model; the order of the first one's images holds.
        votes: How much each counts, positive; None counts them alike.

    Returns:
        L2(vote_1·row_1, vote_2·row_2, …), computed as the rows are read.

    Raises:
        UserError: If the sets are of different images.
    """
    from glrtf.embeddings.rows import join

    return join([opened(one) for one in sets], votes)
