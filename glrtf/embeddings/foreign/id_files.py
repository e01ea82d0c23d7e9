"""Files of ids: one per row, for rows without ids of their own; or a split's table."""

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.foreign.row_file import RowFile
from glrtf.embeddings.part_files import as_ids
from tfrecords_tools import csv_rows, image_ids, text_tables
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import array_files
from tfrecords_tools.storage.local_copies import local_copy

_COLUMNS = ("id", "image_id")


def read_ids(path: str) -> npt.NDArray[np.bytes_]:
    """The ids of a file, in its order.

    Args:
        path: .txt, one id a line; .csv with a column ``id`` or ``image_id``; .npy of text or
            whole numbers.

    Raises:
        UserError: If it is missing or damaged, or has no ids.
    """
    if path.endswith(".npy"):
        with array_files.damage_as(f"{path}: expected an .npy file of ids"):
            found: npt.ArrayLike = np.load(local_copy(path), allow_pickle=False)
    elif path.endswith(".csv"):
        [column] = csv_rows.choose_columns(path, *((name,) for name in _COLUMNS))
        found = [image_id for _, (image_id,) in csv_rows.read_rows(path, (column,))]
    else:
        with text_tables.open_text(path) as text:
            found = [line.rstrip("\r\n") for line in text]
    return checked_ids(path, found)


def ids_of(source: RowFile, path: str = "") -> npt.NDArray[np.bytes_]:
    """The ids of a source's rows.

    Args:
        source: The rows.
        path: The file that has them (`read_ids`); empty for the source's own ids.

    Raises:
        UserError: If there are none, or they are not valid ids.
    """
    if path:
        return read_ids(path)
    if source.ids is None:
        raise UserError(
            f"{source.name}: expected --ids, a file with an id for each of its"
            f" {source.num_rows} rows: .txt (one a line), .csv with a column id, or .npy"
        )
    return checked_ids(source.name, source.ids)


def checked_ids(where: str, ids: npt.ArrayLike) -> npt.NDArray[np.bytes_]:
    """Ids of text or whole numbers as bytes.

    Raises:
        UserError: If they are something else, or violate `image_ids.RULE`.
    """
    array = np.asarray(ids)
    if array.dtype.kind in "iu":
        array = array.astype(np.bytes_)
    try:
        encoded = as_ids(array if array.dtype.kind in "SO" else ids)
    except ValueError as error:
        raise UserError(f"{where}: {error}") from None
    if encoded.ndim != 1:
        raise UserError(f"{where}: expected a list of ids, found an array {encoded.shape}")
    image_ids.refuse_unsafe(where, encoded, "rename it")
    return encoded
