"""The input of an import: rows in blocks, and the file's own ids."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tfrecords_tools.errors import UserError

ROWS_AT_ONCE = 8192
"""The largest number of rows that a reader yields at a time."""

ID_NAMES = ("id", "image_id", "ids", "image_ids")
"""Arrays, datasets and columns of these names have the ids, in this order of precedence."""

Blocks: TypeAlias = Callable[[], Iterator[np.ndarray]]


@dataclasses.dataclass(frozen=True)
class RowFile:
    """Rows in a file of another program.

    Attributes:
        name: The file's name in messages.
        num_rows: How many rows it has.
        dimension: The length of a row.
        blocks: Yields the rows in order, (n, dimension) numbers, n at most `ROWS_AT_ONCE`.
        ids: The file's ids, text, bytes or integers; None if it has none.
    """

    name: str
    num_rows: int
    dimension: int
    blocks: Blocks
    ids: npt.ArrayLike | None = None


def require_rows(where: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Raises a `UserError` for an array without one row of numbers per image."""
    if len(shape) != 2 or not shape[1]:
        raise UserError(
            f"{where}: expected rows (images, dimension), found an array {shape}; pool or flatten"
            " it to one row per image"
        )
    if dtype.kind not in "fiu":
        raise UserError(f"{where}: expected rows of numbers, found {dtype}")


def id_guesses(listed: dict[str, bool]) -> list[str]:
    """The names that may have the ids, if no flag says which.

    Args:
        listed: Name -> whether it is text, of each list of one value per row; a name may be a path
            in the file.

    Returns:
        The names in `ID_NAMES` of the highest precedence, whatever they hold; without them all
        those of text. Whole numbers of another name could be labels.
    """
    for wanted in ID_NAMES:
        if named := [name for name in listed if name.rpartition("/")[2].lower() == wanted]:
            return named
    return [name for name, text in listed.items() if text]


def choose_name(where: str, option: str, wanted: str, known: list[str], guesses: list[str]) -> str:
    """The name of an array, dataset or column to read.

    Args:
        where: The file.
        option: The flag that names it, as typed.
        wanted: The flag's value; empty if it is left out.
        known: All names of the file.
        guesses: The names that fit, from their shape and type.

    Raises:
        UserError: If the file has no such name, or no name is given and several fit.
    """
    if wanted:
        if wanted not in known:
            raise UserError(f"{where}: {option} {wanted}: found no such name, only {_few(known)}")
        return wanted
    if len(guesses) != 1:
        if not guesses:
            raise UserError(
                f"{where}: expected one row of several numbers for each image, found only"
                f" {_few(known)}; name it with {option}, or save the rows as .npy"
            )
        raise UserError(f"{where}: expected {option} to say which to read, found {_few(guesses)}")
    return guesses[0]


def _few(names: list[str]) -> str:
    return ", ".join(names[:10]) + (", …" if len(names) > 10 else "") if names else "nothing"
