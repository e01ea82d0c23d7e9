"""Rows in flat faiss indexes, which store them unchanged."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from glrtf.embeddings.foreign.row_file import ROWS_AT_ONCE, RowFile
from tfrecords_tools.errors import UserError, optional_package
from tfrecords_tools.storage.local_copies import local_copy


def open_index(path: str) -> RowFile:
    """Opens a flat index, or one with ids (IndexIDMap) around a flat one.

    Raises:
        UserError: If faiss is missing, the file is damaged, or it is another kind of index, which
            does not keep the rows themselves.
    """
    faiss = optional_package("faiss", "reading or writing faiss indexes", "faiss-cpu", "rows")
    try:
        whole = faiss.read_index(local_copy(path))
    except RuntimeError as error:
        reason = str(error).splitlines()[0].rpartition("Error: ")[2] if str(error) else "no index"
        raise UserError(f"{path}: expected a faiss index, found none: {reason[:120]}") from None
    index = whole
    ids = None
    if isinstance(whole, faiss.IndexIDMap | faiss.IndexIDMap2):
        ids = faiss.vector_to_array(whole.id_map)
        index = faiss.downcast_index(whole.index)
    if not isinstance(index, faiss.IndexFlat):
        raise UserError(
            f"{path}: expected a flat index, found {type(index).__name__}, which does not keep "
            "the rows themselves; import what it was built from"
        )

    def blocks(owner: Any = whole) -> Iterator[np.ndarray]:
        # The inner index lives as long as the one that owns it.
        for start in range(0, index.ntotal, ROWS_AT_ONCE):
            yield index.reconstruct_n(start, min(ROWS_AT_ONCE, index.ntotal - start))

    return RowFile(path, index.ntotal, index.d, blocks, ids)


def write_index(path: str, blocks: Iterator[np.ndarray], dimension: int) -> None:
    """Writes a flat index of inner products.

    Args:
        path: The file.
        blocks: (n, dimension) float32 rows, in order.
        dimension: The length of a row.
    """
    faiss = optional_package("faiss", "reading or writing faiss indexes", "faiss-cpu", "rows")
    index = faiss.IndexFlatIP(dimension)
    for block in blocks:
        index.add(np.ascontiguousarray(block, np.float32))
    faiss.write_index(index, path)
