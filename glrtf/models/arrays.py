"""Variables from and to plain .npz files, by name."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from glrtf.models.class_shards import assign_whole, whole_shape
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import array_files, files


def read_arrays(path: str) -> dict[str, np.ndarray]:
    """The arrays of an .npz file.

    Raises:
        UserError: If the file is missing or is not an .npz file.
    """
    return array_files.load_archive(path, "weights")


def write_arrays(path: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes an .npz file, completely or not at all."""
    with files.atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def not_finite(arrays: Mapping[str, np.ndarray] | Mapping[str, float]) -> str:
    """The name of the first array that contains NaN or infinity; empty if none does."""
    return next((name for name, value in arrays.items() if not np.isfinite(value).all()), "")


def assign(variables: Mapping[str, Any], arrays: Mapping[str, np.ndarray], source: str) -> None:
    """Gives variables the values of the arrays of the same names.

    Raises:
        UserError: If one is missing, has another shape or contains NaN or infinity; then nothing is
            assigned.
    """
    for name, variable in variables.items():
        if name not in arrays:
            raise UserError(f"{source}: expected an array {name}, found none")
        if tuple(arrays[name].shape) != whole_shape(variable):
            raise UserError(
                f"{source}: {name}: expected the shape {whole_shape(variable)}, "
                f"found {tuple(arrays[name].shape)}"
            )
    if name := not_finite({name: arrays[name] for name in variables}):
        raise UserError(f"{source}: {name}: expected numbers, found NaN or infinity among them")
    for name, variable in variables.items():
        assign_whole(variable, arrays[name])
