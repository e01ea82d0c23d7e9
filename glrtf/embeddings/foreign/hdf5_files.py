"""Rows in HDF5 files, read in blocks."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from glrtf.embeddings.foreign.row_file import (
    ROWS_AT_ONCE,
    RowFile,
    choose_name,
    id_guesses,
    require_rows,
)
from tfrecords_tools.errors import UserError, optional_package
from tfrecords_tools.storage.local_copies import local_copy


def open_hdf5(path: str, rows: str = "", ids: str = "") -> RowFile:
    """Opens an HDF5 file.

    Args:
        path: The file.
        rows: Which dataset has the rows, such as ``features/pooled``; empty for the only one
            of two dimensions.
        ids: Which dataset has the ids; empty for the one that `row_file.id_guesses` finds, if any.

    Raises:
        UserError: If h5py is missing, the file is damaged, or the datasets are ambiguous.
    """
    h5py = optional_package("h5py", "reading HDF5 files", "h5py", "rows")
    local = local_copy(path)
    known: dict[str, tuple[tuple[int, ...], np.dtype]] = {}

    def note(name: str, found: Any) -> None:
        if isinstance(found, h5py.Dataset):
            known[name] = (found.shape or (), found.dtype)

    try:
        with h5py.File(local, "r") as opened:
            opened.visititems(note)
            tables = [
                n for n, (shape, kind) in known.items() if len(shape) == 2 and kind.kind in "fiu"
            ]
            chosen = choose_name(path, "--rows", rows, list(known), tables)
            lists = {n: kind.kind in "OSU" for n, (shape, kind) in known.items() if len(shape) == 1}
            guesses = id_guesses(lists)
            found = None
            if ids or guesses:
                found = opened[choose_name(path, "--id_column", ids, list(known), guesses)][:]
    except OSError as error:
        raise UserError(f"{path}: expected an HDF5 file, found {error}") from None
    shape, dtype = known[chosen]
    where = f"{path}: dataset {chosen}"
    require_rows(where, shape, dtype)

    def blocks() -> Iterator[np.ndarray]:
        with h5py.File(local, "r") as opened:
            for start in range(0, shape[0], ROWS_AT_ONCE):
                try:
                    yield opened[chosen][start : start + ROWS_AT_ONCE]
                except OSError as error:
                    raise UserError(f"{where}: cannot be read: {error}") from None

    return RowFile(path, shape[0], shape[1], blocks, found)
