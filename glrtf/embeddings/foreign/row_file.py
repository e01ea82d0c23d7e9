"""What an import reads: rows in blocks, and the ids that the file itself has."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tfrecords_tools.errors import UserError

ROWS_AT_ONCE = 8192
"""How many rows a reader yields at a time, at most."""

Blocks: TypeAlias = Callable[[], Iterator[np.ndarray]]


@dataclasses.dataclass(frozen=True)
class RowFile:
    """Rows in a file of another program.

    Attributes:
        name: Its name in messages.
        num_rows: How many rows it has.
        dimension: The length of a row.
        blocks: Yields the rows in order, (n, dimension) numbers, n at most `ROWS_AT_ONCE`.
        ids: The ids that stand next to the rows, text, bytes or whole numbers; None if the
            file has none.
    """

    name: str
    num_rows: int
    dimension: int
    blocks: Blocks
    ids: npt.ArrayLike | None = None


def require_rows(where: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Raises a `UserError` for an array that is not one row of numbers an image."""
    if len(shape) != 2 or not shape[1]:
        raise UserError(
            f"{where}: expected rows (images, dimension), found an array {shape}; pool or flatten"
            " it to one row per image"
        )
    if dtype.kind not in "fiu":
        raise UserError(f"{where}: expected rows of numbers, found {dtype}")


def choose_name(where: str, option: str, wanted: str, known: list[str], guesses: list[str]) -> str:
    """The name of an array, dataset or column to read.

    Args:
        where: The file.
        option: The setting that names it, as it is typed.
        wanted: What the setting says; empty if it is left out.
        known: All names of the file.
        guesses: The names that fit, from their shape and type.

    Raises:
        UserError: If the file has no such name, or the name is left out and is not clear.
    """
    if wanted:
        if wanted not in known:
            raise UserError(f"{where}: {option} {wanted}: found no such name, only {_few(known)}")
        return wanted
    if len(guesses) != 1:
        found = f"found {_few(guesses)}" if guesses else f"found none in {_few(known)}"
        raise UserError(f"{where}: expected {option} to say which to read, {found}")
    return guesses[0]


def _few(names: list[str]) -> str:
    return ", ".join(names[:10]) + (", …" if len(names) > 10 else "") if names else "nothing"
