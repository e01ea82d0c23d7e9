"""INSTRE (Wang and Jiang, TOMM 2015) in the split of Iscen et al., CVPR 2017 (arXiv 1611.05113).

`gnd_instre.mat` holds `imlist` and `qimlist`, paths of index and query photos below the folder of
the dataset (`INSTRE-S1/01a_canada_book/013.jpg`), and `gnd`: for each query the places of its
relevant photos in `imlist`, counted from 1, and its box as x, y, width and height. Queries are cut
to their boxes.
"""

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from glrtf.evaluation.layouts.benchmark import Benchmark, Photo
from tfrecords_tools.command import expected
from tfrecords_tools.errors import UserError

TRUTH_FILE = "gnd_instre.mat"


def read(source: str) -> Benchmark:
    """Reads the folder of `gnd_instre.mat` and the photos; needs SciPy.

    Raises:
        UserError: If the file is missing or is not of the published form.
    """
    path = os.path.join(source, TRUTH_FILE)
    if not os.path.exists(path):
        raise UserError(f"{path}: no such file; expected the ground truth of Iscen et al.")
    expected.package("LAYOUT instre", "scipy", "whiten")
    import scipy.io

    try:
        found = scipy.io.loadmat(path)
    # What SciPy raises for a damaged file is not documented; its own code raises all of these.
    except (ValueError, TypeError, IndexError, OSError, NotImplementedError) as error:
        raise UserError(
            f"{path}: expected a MATLAB file up to version 7.2, found something else "
            f"({type(error).__name__}: {error})"
        ) from None
    names = _names(path, found, "imlist")
    query_names = _names(path, found, "qimlist")
    marks = [
        _mark(f"{path}: gnd {number}", one, len(names))
        for number, one in enumerate(_cells(path, found, "gnd"), 1)
    ]
    if len(marks) != len(query_names):
        raise UserError(
            f"{path}: expected as many gnd as qimlist ({len(query_names)}), found {len(marks)}"
        )
    queries, relevant = [], {}
    for name, (places, box) in zip(query_names, marks, strict=True):
        queries.append(Photo(name, _path(source, name), box=box, group=name.split("/")[0]))
        relevant[name] = [names[place] for place in places]
    index = [Photo(name, _path(source, name)) for name in names]
    return Benchmark(queries, index, relevant)


def _cells(path: str, found: dict[str, Any], name: str) -> npt.NDArray[Any]:
    """The entries of a cell or struct array; one dimension."""
    if name not in found:
        raise UserError(
            f"{path}: expected imlist, qimlist and gnd, found "
            f"{', '.join(sorted(one for one in found if not one.startswith('__'))) or 'nothing'}"
        )
    return np.asarray(found[name]).reshape(-1)


def _names(path: str, found: dict[str, Any], name: str) -> list[str]:
    """The texts of a cell array."""
    cells = [np.asarray(one).reshape(-1) for one in _cells(path, found, name)]
    for number, cell in enumerate(cells, 1):
        if len(cell) != 1 or cell.dtype.kind != "U":
            raise UserError(f"{path}: {name} {number}: expected a text, found {_shown(cell)}")
    return [str(cell[0]) for cell in cells]


def _mark(
    where: str, entry: Any, count: int
) -> tuple[list[int], tuple[float, float, float, float]]:
    """A query's relevant places, from 0, and its box from corner to corner."""
    if not isinstance(entry, np.void) or len(entry.dtype.names or ()) < 2:
        raise UserError(f"{where}: expected places and a box, found {_shown(np.asarray(entry))}")
    places, box = (np.asarray(entry[field]).reshape(-1) for field in (0, 1))
    if places.dtype.kind not in "iuf" or not np.all((places >= 1) & (places <= count)):
        raise UserError(f"{where}: expected places of 1 to {count}, found {_shown(places)}")
    if box.dtype.kind not in "iuf" or box.shape != (4,) or not np.isfinite(box).all():
        raise UserError(
            f"{where}: expected a box of left, upper, width and height, found {_shown(box)}"
        )
    left, upper, width, height = box.astype(float).tolist()
    return (places.astype(int) - 1).tolist(), (left, upper, left + width, upper + height)


def _shown(array: npt.NDArray[Any]) -> str:
    """An array's beginning, for messages."""
    shown = ", ".join(str(one) for one in array.reshape(-1)[:6])
    return f"{array.dtype} of {array.size}: {shown[:80]}" if array.size else "nothing"


def _path(source: str, name: str) -> str:
    return os.path.join(source, *name.split("/"))
