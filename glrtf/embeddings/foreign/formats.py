"""Chooses the reader for a path and the writer for a file extension."""

import os
from collections.abc import Iterator

import numpy as np

from glrtf.embeddings.foreign import arrow_files, faiss_files, hdf5_files, numpy_files
from glrtf.embeddings.foreign.row_file import ROWS_AT_ONCE, RowFile
from glrtf.embeddings.rows import RowSource
from tfrecords_tools.errors import UserError, optional_package
from tfrecords_tools.storage import array_files, files

FAISS_ENDINGS = (".faiss", ".index")
HDF5_ENDINGS = (".h5", ".hdf5")
EXPORT_ENDINGS = (".npy", ".npz", ".parquet", ".h5", ".faiss")
_KINDS = (
    "a .npy, .npz, .parquet, .h5 or .faiss file, a folder of .parquet files, or one that"
    " save_to_disk wrote"
)
_IDS_ENDING = ".ids.txt"


def open_rows(path: str, rows: str = "", ids: str = "") -> RowFile:
    """Opens a file or folder of rows by its kind.

    Args:
        path: The file or folder.
        rows: Which array, dataset or column has the rows, if there are several.
        ids: Which has the ids.

    Raises:
        UserError: If it is missing, of another kind, damaged, or ambiguous.
    """
    if not files.exists(path):
        raise UserError(f"{path}: expected {_KINDS}, found nothing of that name")
    ending = os.path.splitext(path)[1].lower()
    if os.path.isdir(path):
        if any(name.endswith(".parquet") for name in files.list_names(path)):
            return arrow_files.open_parquet(path, rows, ids)
        if {arrow_files.STATE_FILE, "dataset_dict.json"} & set(files.list_names(path)):
            return arrow_files.open_saved_dataset(path, rows, ids)
        raise UserError(f"{path}: expected {_KINDS}, found a folder of neither")
    if ending == ".npz":
        return numpy_files.open_npz(path, rows, ids)
    if ending == ".parquet":
        return arrow_files.open_parquet(path, rows, ids)
    if ending in HDF5_ENDINGS:
        return hdf5_files.open_hdf5(path, rows, ids)
    for option, value in (("--rows", rows), ("--id_column", ids)):
        if value:
            raise UserError(f"{option} {value}: expected none for {path}, which holds one array")
    if ending == ".npy":
        return numpy_files.open_npy(path)
    if ending in FAISS_ENDINGS:
        return faiss_files.open_index(path)
    raise UserError(f"{path}: expected {_KINDS}, found {ending or 'no ending'}")


def ids_path(path: str) -> str:
    """The file with the ids of an exported .npy or faiss file, next to it."""
    return os.path.splitext(path)[0] + _IDS_ENDING


def export_rows(rows: RowSource, path: str) -> None:
    """Writes rows and ids as a file of another program, completely or not at all.

    Args:
        rows: The rows to write, float32, in order.
        path: .npy and .faiss (a flat index of inner products), with ids in a file next to
            it, one a line; .npz and .h5 with ``ids`` and ``rows``; .parquet with ``id`` and
            ``embedding``.

    Raises:
        UserError: If a package is missing, or the extension is none of these.
    """
    ending = os.path.splitext(path)[1].lower()
    if ending not in EXPORT_ENDINGS:
        raise UserError(f"{path}: expected one of {' '.join(EXPORT_ENDINGS)}, found {ending!r}")
    ids = [one.decode() for one in rows.ids.tolist()]
    shape = (len(ids), rows.dimension)
    with files.atomic_path(path) as temporary:
        if ending == ".npy":
            written = array_files.create(temporary, np.dtype(np.float32), shape)
            first = 0
            for block in _blocks(rows):
                written[first : first + len(block)] = block
                first += len(block)
            written.flush()
        elif ending == ".npz":
            _write_npz(temporary, rows, shape)
        elif ending == ".faiss":
            faiss_files.write_index(temporary, _blocks(rows), rows.dimension)
        elif ending == ".h5":
            _write_hdf5(temporary, rows, ids, shape)
        else:
            _write_parquet(temporary, rows, ids)
    if ending in (".npy", ".faiss"):
        files.write_bytes(ids_path(path), "".join(f"{one}\n" for one in ids).encode())


def _blocks(rows: RowSource) -> Iterator[np.ndarray]:
    for part, length in enumerate(rows.part_lengths):
        for start in range(0, length, ROWS_AT_ONCE):
            yield rows.read(part, start, min(start + ROWS_AT_ONCE, length))


def _write_npz(path: str, rows: RowSource, shape: tuple[int, int]) -> None:
    """Writes an archive like `numpy.savez`, one block of rows at a time."""
    import zipfile

    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("ids.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array(member, rows.ids, allow_pickle=False)
        with archive.open("rows.npy", "w", force_zip64=True) as member:
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(member, header)
            for block in _blocks(rows):
                member.write(np.ascontiguousarray(block, "<f4").tobytes())


def _write_hdf5(path: str, rows: RowSource, ids: list[str], shape: tuple[int, int]) -> None:
    h5py = optional_package("h5py", "writing HDF5 files", "h5py", "rows")
    # The temporary file is already locked by the code that created its name.
    with h5py.File(path, "w", locking=False) as file:
        file.create_dataset("ids", data=ids, dtype=h5py.string_dtype())
        written = file.create_dataset("rows", shape, np.float32)
        first = 0
        for block in _blocks(rows):
            written[first : first + len(block)] = block
            first += len(block)


def _write_parquet(path: str, rows: RowSource, ids: list[str]) -> None:
    pa, parquet = arrow_files.require_pyarrow("pyarrow.parquet")
    kind = pa.list_(pa.float32(), rows.dimension)
    schema = pa.schema([("id", pa.string()), ("embedding", kind)])
    first = 0
    with parquet.ParquetWriter(path, schema) as writer:
        for block in _blocks(rows):
            flat = pa.array(np.ascontiguousarray(block, np.float32).ravel())
            column = pa.FixedSizeListArray.from_arrays(flat, rows.dimension)
            names = pa.array(ids[first : first + len(block)], pa.string())
            writer.write_table(pa.table([names, column], schema=schema))
            first += len(block)
