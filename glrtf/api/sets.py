"""Embedding sets: open, write and join them."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from glrtf.api.row_sources import Path, Rows, opened, row_source
from tfrecords_tools.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from glrtf.embeddings.embedding_set import EmbeddingSet
    from glrtf.embeddings.joined_rows import JoinedRows


def open_set(folder: Path, verify: Literal["once", "always"] = "once") -> "EmbeddingSet":
    """Opens an embedding set and checks that its files are what its description says.

    Args:
        folder: The set's folder, a path or gs://.
        verify: ``once`` skips files that were compared with their digests before and have not
            changed; ``always`` compares all.

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
        ids: (n,) image ids, text of 1 to 255 bytes in UTF-8.
        **meta: Facts about the rows, JSON values, such as ``model="mine"``.

    Returns:
        The set, opened.

    Raises:
        UserError: If the folder already contains a set, a row is not finite or not of length 1, or
            an id occurs twice or is invalid.
    """
    from glrtf.embeddings import embedding_set
    from glrtf.embeddings.info import INFO_FILE
    from tfrecords_tools.storage import files

    folder = os.fspath(folder)
    if files.exists(files.join(folder, INFO_FILE)):
        raise UserError(f"{folder}: expected a new folder, found an embedding set; name another")
    embedding_set.write_part(folder, 0, 1, rows, ids)
    return embedding_set.finish(folder, 1, **meta)


def import_rows(
    source: "Path | np.ndarray",
    folder: Path,
    ids: "npt.ArrayLike | Path | None" = None,
    *,
    model: str,
    dtype: Literal["float32", "float16"] = "float32",
    max_rejects: int | None = None,
    **meta: Any,
) -> "EmbeddingSet":
    """Writes rows of any descriptor as an embedding set, as ``glrtf rows import`` does.

    Args:
        source: (n, dimension) numbers of any length, or a file or folder that ``glrtf rows
            import`` reads.
        folder: A new folder.
        ids: (n,) image ids, or a file of them; None if the source has them.
        model: Name of the model that made the rows; sets of different models are not compared.
        dtype: How rows are stored.
        max_rejects: How many rows may be left out, of zeros, NaN or a repeated id; None for any
            number. rejects.csv in the folder lists them.
        **meta: Further facts about the rows, JSON values.

    Returns:
        The set, opened.

    Raises:
        UserError: If rows and ids do not match, or the folder already contains a set.
    """
    import numpy as np

    from glrtf.embeddings.foreign import formats, id_files, importing, numpy_files
    from glrtf.embeddings.foreign.row_file import RowFile, require_rows

    if isinstance(source, str | os.PathLike):
        rows = formats.open_rows(os.fspath(source))
    else:
        array = np.asarray(source)
        require_rows("rows", array.shape, array.dtype)
        rows = RowFile("rows", len(array), array.shape[1], numpy_files.blocks_of(array))
    if isinstance(ids, str | os.PathLike):
        known = id_files.read_ids(os.fspath(ids))
    else:
        known = id_files.ids_of(rows) if ids is None else id_files.checked_ids("ids", ids)
    done = importing.import_rows(
        rows,
        known,
        os.fspath(folder),
        dtype=dtype,
        max_rejects=max_rejects,
        meta={"model": model, **meta},
    )
    return done.sets[""]


def export_rows(rows: Rows, path: Path) -> str:
    """Writes rows and ids as a file of another program, as ``glrtf rows export`` does.

    Args:
        rows: A set's folder, an open set, joined sets, or a pair (ids, array).
        path: .npy or .faiss (ids in a .ids.txt next to it), .npz, .h5 or .parquet.

    Returns:
        The path.
    """
    from glrtf.embeddings.foreign import formats

    formats.export_rows(row_source(rows, "rows"), os.fspath(path))
    return os.fspath(path)


def join_sets(
    sets: "Sequence[Path | EmbeddingSet]", votes: Sequence[float] | None = None
) -> "JoinedRows":
    """Joins the sets of several models over the same images, matched by image id.

    Args:
        sets: Folders or open sets, one a model; the result has the order of the first set.
        votes: The weight of each, positive; None weights them equally.

    Returns:
        L2(vote_1·row_1, vote_2·row_2, …), computed as the rows are read.

    Raises:
        UserError: If the sets are of different images.
    """
    from glrtf.embeddings.joined_rows import join

    return join([opened(one) for one in sets], votes)
