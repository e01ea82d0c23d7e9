"""The arrays of an embedding set: saved, memory-mapped and checked."""

import errno
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from tfrecords_tools import image_ids
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import array_files, files
from tfrecords_tools.storage.local_copies import local_copy

ID_DTYPE = np.dtype("S16")
"""The narrowest array of ids; one with longer ids is as wide as the longest."""
NORM_TOLERANCE = 2e-3
"""How far from 1 a row's length may be: float16 rounds it by up to 5e-4."""


def refuse_bad_rows(
    name: str,
    rows: npt.NDArray[np.floating],
    ids: npt.NDArray[np.bytes_],
    numbers: Sequence[int] | npt.NDArray[np.integer],
) -> None:
    """Raises for the first row that is not finite or not of length 1; see `checked_squares`."""
    checked_squares(name, rows, ids, numbers)


def checked_squares(
    name: str,
    rows: npt.NDArray[np.floating],
    ids: npt.NDArray[np.bytes_],
    numbers: Sequence[int] | npt.NDArray[np.integer],
) -> npt.NDArray[np.floating]:
    """The rows' squared lengths, all of them near 1.

    Args:
        name: The set, for the message.
        rows: (n, dimension) float32.
        ids: (n,) S dtype, the rows' image ids.
        numbers: (n,) the rows' numbers in the set, for the message.

    Returns:
        (n,) of the rows' dtype.

    Raises:
        UserError: Naming set, row and image id.
    """
    squares = np.einsum("ij,ij->i", rows, rows)
    good = np.abs(squares - 1) <= 2 * NORM_TOLERANCE
    if good.all():
        return squares
    row = int(np.flatnonzero(~good)[0])
    if not np.isfinite(rows[row]).all():
        found = "NaN or infinity"
    else:
        found = f"length {np.linalg.norm(rows[row].astype(np.float64)):.4g}"
    raise UserError(
        f"{name}: row {numbers[row]} (image {ids[row].decode(errors='replace')}): expected a "
        f"vector of length 1, found {found}; leave the image out or embed it again"
    )


def as_ids(ids: npt.ArrayLike) -> npt.NDArray[np.bytes_]:
    """Image ids as UTF-8 bytes: S16, or as wide as the longest.

    Raises:
        ValueError: If they are not texts or bytes of at most 255 bytes in UTF-8.
        UserError: On a text that an array would change: zeros, or halves of surrogate pairs.
    """
    array = ids if isinstance(ids, np.ndarray) else np.array(ids, object)
    if array.size == 0:
        return np.empty(array.shape, ID_DTYPE)
    if array.dtype.kind not in "SUOT":
        raise ValueError(f"expected image ids of text or bytes, found {array.dtype}")
    if array.dtype.kind != "S":
        # One by one: an array would drop zeros at their ends.
        encoded = [_encoded(one) for one in array.ravel().tolist()]
        array = np.array(encoded, f"S{max(map(len, encoded))}").reshape(array.shape)
    longest = int(np.char.str_len(array).max())
    if longest > image_ids.LENGTH:
        raise ValueError(
            f"expected image ids of at most {image_ids.LENGTH} bytes, found one of {longest}"
        )
    return array.astype(f"S{max(longest, ID_DTYPE.itemsize)}")


def _encoded(image_id: object) -> bytes:
    encoded = image_id.encode(errors="replace") if isinstance(image_id, str) else image_id
    if not isinstance(encoded, bytes):
        raise ValueError(f"expected image ids of text or bytes, found {image_id!r:.60}")
    if b"\0" in encoded or (isinstance(image_id, str) and not image_ids.is_text(image_id)):
        raise UserError(f"expected image ids of {image_ids.RULE}; found {image_id!r:.60}")
    return encoded


def copy_of(path: str) -> str:
    """Where an array file can be memory-mapped: itself, or its local copy.

    Raises:
        UserError: If there is no such file.
    """
    # Of gs:// the copy says it, which asks storage anyway.
    if not files.is_remote(path) and not files.exists(path):
        raise UserError(f"{path}: no such file; the embedding set is not whole, make it again")
    return local_copy(path)


def places_by_part(
    rows: npt.NDArray[np.integer], part_lengths: Sequence[int]
) -> Iterator[tuple[int, npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Which of some rows lie in which part.

    Args:
        rows: (n,) numbers of rows, counted over all parts.
        part_lengths: How many rows each part has.

    Yields:
        For each part that has some: its number, their places among `rows`, and their numbers in
        the part, ascending.
    """
    order = np.argsort(rows, kind="stable")
    ordered = rows[order].astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(part_lengths, dtype=np.int64)])
    bounds = np.searchsorted(ordered, starts)
    for part in np.flatnonzero(np.diff(bounds)).tolist():
        chunk = slice(bounds[part], bounds[part + 1])
        yield part, order[chunk], ordered[chunk] - starts[part]


def load_array(path: str, copy: str = "") -> np.ndarray:
    """Memory-maps an array file, or reports in one line why it cannot.

    Args:
        path: The file.
        copy: Its `copy_of`, where that is known.
    """
    copy = copy or copy_of(path)
    with array_files.damage_as(
        f"{path}: expected an array file of plain numbers, found a truncated, pickled or foreign "
        "one; make the set again"
    ):
        try:
            array = np.load(copy, mmap_mode="r", allow_pickle=False)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            raise UserError(
                f"{path}: expected to open one more file, found the system's limit reached "
                f"({error.strerror}); raise it (ulimit -n), or embed from fewer shards"
            ) from None
        if not isinstance(array, np.ndarray):
            array.close()
            raise ValueError("an archive of arrays")
        return array


def expect_ids(path: str, ids: np.ndarray, length: int) -> None:
    """Raises a `UserError` for an array that is not the ids of that many rows."""
    wide = ID_DTYPE.itemsize <= ids.dtype.itemsize <= image_ids.LENGTH
    if ids.dtype.kind != "S" or not wide or ids.shape != (length,):
        raise UserError(
            f"{path}: expected {length} ids of {ID_DTYPE.itemsize} to {image_ids.LENGTH} bytes, "
            f"found {ids.dtype} {ids.shape}; make the set again"
        )


def expect_array(path: str, array: np.ndarray, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    """Raises a `UserError` for an array that is not what the description says."""
    if array.dtype != dtype or array.shape != shape:
        raise UserError(
            f"{path}: expected {dtype} {shape} as embedding_set.json says, "
            f"found {array.dtype} {array.shape}; make the set again"
        )


def refuse_duplicates(folder: str, ids: npt.NDArray[np.bytes_]) -> None:
    """Raises a `UserError` naming an image id that occurs twice."""
    ordered = np.sort(ids)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(twice):
        raise UserError(
            f"{folder}: expected every image id once, found {twice[0].decode(errors='replace')} "
            f"twice ({len(np.unique(twice))} such ids); embed a data set without repeats"
        )
