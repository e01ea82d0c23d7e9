"""Rows in columns of lists: Parquet files, and folders of Hugging Face's `save_to_disk`."""

import os
from collections.abc import Callable, Iterator
from typing import Any, TypedDict

import numpy as np

from glrtf.embeddings.foreign.row_file import ROWS_AT_ONCE, RowFile, choose_name, id_guesses
from tfrecords_tools.errors import UserError, optional_package
from tfrecords_tools.storage import files, json_shapes
from tfrecords_tools.storage.local_copies import local_copy

STATE_FILE = "state.json"
_SPLITS_FILE = "dataset_dict.json"

_Batches = Callable[[list[str]], Iterator[Any]]


class _DataFile(TypedDict):
    filename: str


class _State(TypedDict, total=False):
    """The parts of a saved dataset's state.json that are read."""

    _data_files: list[_DataFile]
    _indices_files: list[_DataFile] | None


def open_parquet(path: str, rows: str = "", ids: str = "") -> RowFile:
    """Opens a Parquet file, or a folder of them, whose rows are a column of lists.

    Args:
        path: The file or folder.
        rows: Which column has the rows; empty for the only one of lists of numbers.
        ids: Which column has the ids; empty for the one that `row_file.id_guesses` finds.

    Raises:
        UserError: If pyarrow is missing, a file is damaged, the columns are ambiguous, or the
            files have different ones.
    """
    pa, parquet = require_pyarrow("pyarrow.parquet")
    paths = [path]
    if os.path.isdir(path):
        names = [name for name in files.list_names(path) if name.endswith(".parquet")]
        paths = [files.join(path, name) for name in names]

    def open_file(one: str) -> Any:
        return _guarded(pa, one, lambda: parquet.ParquetFile(local_copy(one)))

    opened = list(map(open_file, paths))
    count = sum(one.metadata.num_rows for one in opened)

    def batches(columns: list[str]) -> Iterator[Any]:
        for one in opened:
            yield from one.iter_batches(ROWS_AT_ONCE, columns=columns)

    schemas = {name: one.schema_arrow for name, one in zip(paths, opened, strict=True)}
    return _row_file(pa, path, schemas, count, batches, rows, ids)


def open_saved_dataset(path: str, rows: str = "", ids: str = "") -> RowFile:
    """Opens a folder that `datasets.Dataset.save_to_disk` wrote; see `open_parquet`.

    Raises:
        UserError: If pyarrow is missing, the folder holds several splits or a selection, or a
            file is damaged.
    """
    pa, ipc = require_pyarrow("pyarrow.ipc")
    if files.exists(files.join(path, _SPLITS_FILE)):
        splits = [name for name in files.list_names(path) if name != _SPLITS_FILE]
        raise UserError(f"{path}: expected one split, found several; name one: {', '.join(splits)}")
    state = json_shapes.read(files.join(path, STATE_FILE), _State)
    if state.get("_indices_files"):
        raise UserError(
            f"{path}: expected a data set with its rows in order, found a selection; call "
            "flatten_indices() before save_to_disk"
        )
    paths = [files.join(path, each["filename"]) for each in state.get("_data_files", [])]
    if not paths:
        raise UserError(f"{path}: expected data files in {STATE_FILE}, found none")

    def stream(one: str) -> Any:
        return _guarded(pa, one, lambda: ipc.open_stream(pa.memory_map(local_copy(one))))

    def batches(columns: list[str]) -> Iterator[Any]:
        for one in paths:
            for batch in stream(one):
                for start in range(0, batch.num_rows, ROWS_AT_ONCE):
                    yield batch.slice(start, ROWS_AT_ONCE).select(columns)

    count = sum(batch.num_rows for one in paths for batch in stream(one))
    schemas = {one: stream(one).schema for one in paths}
    return _row_file(pa, path, schemas, count, batches, rows, ids)


def _row_file(
    pa: Any, path: str, schemas: dict[str, Any], count: int, batches: _Batches, rows: str, ids: str
) -> RowFile:
    schema = next(iter(schemas.values()))
    lists = [field.name for field in schema if _is_list(pa, field.type)]
    chosen = choose_name(path, "--rows", rows, schema.names, lists)
    _require(schemas, chosen, "lists of numbers", lambda kind: _is_list(pa, kind))
    listed = {field.name: _is_text(pa, field.type) for field in schema if field.name != chosen}
    guesses = id_guesses(listed)
    found = None
    if ids or guesses:
        name = choose_name(path, "--id_column", ids, schema.names, guesses)
        _require(schemas, name, "ids of text or whole numbers", lambda kind: _is_id(pa, kind))
        found = [
            _id_text(value)
            for batch in _guarded_batches(pa, path, batches([name]))
            for value in batch.column(0).to_pylist()
        ]

    def blocks() -> Iterator[np.ndarray]:
        first = 0
        for batch in _guarded_batches(pa, path, batches([chosen])):
            yield _table(path, chosen, batch.column(0), first, dimension)
            first += batch.num_rows

    sample = next((b for b in _guarded_batches(pa, path, batches([chosen])) if b.num_rows), None)
    if sample is None:
        raise UserError(f"{path}: expected rows, found none")
    dimension = len(sample.column(0)[0].values or ()) if sample.column(0)[0].is_valid else 0
    return RowFile(path, count, dimension, blocks, found)


def _require(schemas: dict[str, Any], column: str, what: str, fits: Callable[[Any], bool]) -> None:
    """Raises a `UserError` for a file without the column, or with one of another type."""
    for path, schema in schemas.items():
        if column not in schema.names:
            names = ", ".join(schema.names[:10])
            raise UserError(
                f"{path}: expected a column {column} as in the first file, found {names}"
            )
        if not fits(schema.field(column).type):
            raise UserError(
                f"{path}: column {column}: expected {what}, found {schema.field(column).type}"
            )


def _id_text(value: Any) -> str:
    if value is None:
        return ""
    # Bytes that are no text are refused with the other ids.
    return value.decode(errors="surrogateescape") if isinstance(value, bytes) else str(value)


def _table(path: str, name: str, column: Any, first: int, dimension: int) -> np.ndarray:
    """A column's lists, (rows, dimension)."""
    lengths = [len(one.values) if one.is_valid else 0 for one in _odd(column, dimension)]
    if lengths or not dimension:
        odd = next(
            row
            for row, one in enumerate(column)
            if not one.is_valid or len(one.values) != dimension or not dimension
        )
        one = column[odd]
        found = f"{len(one.values)} numbers" if one.is_valid else "nothing"
        raise UserError(
            f"{path}: column {name}, row {first + odd}: expected {dimension} numbers as in the"
            f" first row, found {found}"
        )
    return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), dimension)


def _odd(column: Any, dimension: int) -> list[Any]:
    """Lists that are missing or have another length."""
    import pyarrow.compute as compute

    lengths = compute.fill_null(compute.list_value_length(column), -1)
    places = np.flatnonzero(lengths.to_numpy(zero_copy_only=False) != dimension)
    return [column[int(place)] for place in places[:1]]


def _guarded(pa: Any, path: str, open_file: Callable[[], Any]) -> Any:
    try:
        return open_file()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; the data set is not whole") from None
    except pa.ArrowException as error:
        raise UserError(f"{path}: expected columns of Arrow or Parquet, found {error}") from None


def _guarded_batches(pa: Any, path: str, batches: Iterator[Any]) -> Iterator[Any]:
    while (batch := _guarded(pa, path, lambda: next(batches, None))) is not None:
        yield batch


def _is_list(pa: Any, kind: Any) -> bool:
    types = pa.types
    if not (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
        return False
    return types.is_floating(kind.value_type) or types.is_integer(kind.value_type)


def _is_text(pa: Any, kind: Any) -> bool:
    types = pa.types
    if types.is_dictionary(kind):
        return _is_text(pa, kind.value_type)
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def _is_id(pa: Any, kind: Any) -> bool:
    types = pa.types
    if types.is_dictionary(kind):
        return _is_id(pa, kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):  # Its values have a text of their own: UUIDs.
        return kind.extension_name == "arrow.uuid"
    whole = types.is_integer(kind) or types.is_binary(kind) or types.is_large_binary(kind)
    return bool(whole or _is_text(pa, kind))


def require_pyarrow(module: str) -> tuple[Any, Any]:
    """The package pyarrow and one of its modules.

    Raises:
        UserError: If it is not installed.
    """
    package, part = (
        optional_package(name, "reading or writing Parquet and Arrow files", "pyarrow", "rows")
        for name in ("pyarrow", module)
    )
    return package, part
