"""INSTRE (Wang and Jiang, TOMM 2015) in the split of Iscen et al., CVPR 2017 (arXiv 1611.05113).

`gnd_instre.mat` holds `imlist` and `qimlist`, paths of index and query photos below the folder of
the dataset (`INSTRE-S1/01a_canada_book/013.jpg`), and `gnd`: for each query the places of its
relevant photos in `imlist`, counted from 1, and its box as x, y, width and height. Queries are cut
to their boxes.
"""

import os
from typing import Any

import numpy as np

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
        names = [str(one) for one in _cells(found["imlist"])]
        query_names = [str(one) for one in _cells(found["qimlist"])]
        marks = [_mark(one, len(names)) for one in found["gnd"].reshape(-1)]
    except (KeyError, ValueError, TypeError, IndexError, OSError, NotImplementedError) as error:
        raise UserError(
            f"{path}: expected imlist, qimlist and gnd (relevant places and a box for each "
            f"query), found something else ({type(error).__name__}: {error})"
        ) from None
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


def _cells(array: Any) -> list[Any]:
    """The texts of a cell array."""
    return [np.asarray(one).reshape(-1)[0] for one in np.asarray(array).reshape(-1)]


def _mark(entry: Any, count: int) -> tuple[list[int], tuple[float, float, float, float]]:
    """A query's relevant places, from 0, and its box from corner to corner."""
    places = np.asarray(entry[0]).reshape(-1).astype(int) - 1
    if len(places) and not 0 <= places.min() <= places.max() < count:
        raise ValueError(f"a place outside of 1 to {count}")
    left, upper, width, height = np.asarray(entry[1]).reshape(-1).astype(float).tolist()
    return places.tolist(), (left, upper, left + width, upper + height)


def _path(source: str, name: str) -> str:
    return os.path.join(source, *name.split("/"))
