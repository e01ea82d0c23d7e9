"""Rows in NumPy's .npy and .npz files, read in blocks."""

import math
import zipfile
from collections.abc import Iterator
from typing import IO

import numpy as np

from glrtf.embeddings.foreign.row_file import (
    ROWS_AT_ONCE,
    Blocks,
    RowFile,
    choose_name,
    id_guesses,
    require_rows,
)
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import array_files
from tfrecords_tools.storage.local_copies import local_copy

_NPY = ".npy"


def open_npy(path: str) -> RowFile:
    """Opens an .npy file through a memory map.

    Raises:
        UserError: If it is damaged, pickled, or holds no rows.
    """
    with array_files.damage_as(f"{path}: expected an .npy file of plain numbers"):
        array = np.load(local_copy(path), mmap_mode="r", allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("an archive of arrays")
    require_rows(path, array.shape, array.dtype)
    return RowFile(path, len(array), array.shape[1], blocks_of(array))


def open_npz(path: str, rows: str = "", ids: str = "") -> RowFile:
    """Opens an .npz file; its rows are read from the archive on demand.

    Args:
        path: The file.
        rows: Which array has the rows; empty for the only one of two dimensions.
        ids: Which array has the ids; empty for the one that `row_file.id_guesses` finds, if any.

    Raises:
        UserError: If it is damaged or pickled, or has no such arrays or several.
    """
    local = local_copy(path)
    expected = f"{path}: expected an .npz file of arrays"
    with array_files.damage_as(expected), zipfile.ZipFile(local) as archive:
        names = [name[: -len(_NPY)] for name in archive.namelist() if name.endswith(_NPY)]
        headers = {name: _header_of(archive, name) for name in names}
    tables = [name for name, (shape, _, dtype) in headers.items() if _is_table(shape, dtype)]
    lists = {n: dtype.kind in "SU" for n, (shape, _, dtype) in headers.items() if len(shape) == 1}
    guesses = id_guesses(lists)
    chosen = choose_name(path, "--rows", rows, names, tables)
    shape, fortran, dtype = headers[chosen]
    where = f"{path}: array {chosen}"
    require_rows(where, shape, dtype)
    if fortran:
        raise UserError(
            f"{where}: expected rows one after the other (C order), found columns (Fortran order);"
            " save numpy.ascontiguousarray of it"
        )
    wanted = choose_name(path, "--id_column", ids, names, guesses) if ids or guesses else ""
    found = None
    if wanted:
        with array_files.damage_as(f"{path}: array {wanted}"), np.load(local) as opened:
            found = opened[wanted]

    def blocks() -> Iterator[np.ndarray]:
        member_name = chosen + _NPY
        with (
            array_files.damage_as(where),
            zipfile.ZipFile(local) as archive,
            archive.open(member_name) as member,
        ):
            _read_header(member)
            yield from _streamed(member, shape, dtype)

    return RowFile(path, shape[0], shape[1], blocks, found)


def blocks_of(array: np.ndarray) -> Blocks:
    """The blocks of an array."""

    def blocks() -> Iterator[np.ndarray]:
        for start in range(0, len(array), ROWS_AT_ONCE):
            yield array[start : start + ROWS_AT_ONCE]

    return blocks


def _header_of(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    with archive.open(name + _NPY) as member:
        return _read_header(member)


def _read_header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(member)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(member)
    return np.lib.format.read_array_header_2_0(member)


def _streamed(member: IO[bytes], shape: tuple[int, ...], dtype: np.dtype) -> Iterator[np.ndarray]:
    for start in range(0, shape[0], ROWS_AT_ONCE):
        block = (min(ROWS_AT_ONCE, shape[0] - start), *shape[1:])
        data = member.read(math.prod(block) * dtype.itemsize)
        yield np.frombuffer(data, dtype).reshape(block)


def _is_table(shape: tuple[int, ...], dtype: np.dtype) -> bool:
    return len(shape) == 2 and dtype.kind in "fiu"
