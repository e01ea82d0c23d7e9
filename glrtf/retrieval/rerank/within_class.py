"""Whitening of the differences between photos of one landmark, fitted on labels in closed form."""

import dataclasses
from typing import Literal

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.rows import RowSource
from glrtf.retrieval.rerank.whitening import LEAST_VARIANCE, Whitening
from tfrecords_tools.errors import UserError
from tfrecords_tools.progress import Progress

_ROWS_AT_ONCE = 8192


def fit_within_class(
    rows: RowSource,
    landmarks: npt.NDArray[np.int64],
    *,
    shrinkage: float,
    dimension: int = 0,
    center: Literal["photos", "landmarks"] = "photos",
    chosen: npt.NDArray[np.bool_] | None = None,
) -> Whitening:
    """Fits a whitening of the differences between photos of one landmark, in closed form.

    y = L2(Σ^(-1/2)·(x - μ)), Σ = (1 - s)·S + s·tr(S)/d·I, with the covariance S of the rows about
    the means of their landmarks and shrinkage s (Ledoit and Wolf, 2004, shrink alike). This is
    linear discriminant analysis with all directions kept. With fewer, those with the largest
    variance of the whitened rows are kept.

    Args:
        rows: The train rows.
        landmarks: (rows,) what they show.
        shrinkage: s in [0, 1].
        dimension: How many directions are kept; 0 keeps all.
        center: Whether μ is the mean of the rows, or of the landmarks' means.
        chosen: (rows,) which rows are used; None takes all.

    Raises:
        UserError: If no landmark has two rows, or s is 0 and the rows differ in fewer
            directions than they have numbers.
    """
    wanted = np.ones(len(landmarks), bool) if chosen is None else chosen
    sums = _class_sums(rows, landmarks, wanted)
    degrees = sums.count - len(sums.counts)
    if degrees < 1:
        raise UserError(
            f"{rows.name}: expected landmarks with several train rows, found one row for each"
        )
    between = (sums.of_class / np.sqrt(sums.counts)[:, None]).astype(np.float64)
    within = (sums.products - between.T @ between) / degrees
    mean = sums.of_class.sum(axis=0, dtype=np.float64) / sums.count
    middle = mean
    if center == "landmarks":
        middle = (sums.of_class / sums.counts[:, None]).mean(axis=0, dtype=np.float64)
    level = shrinkage * np.trace(within) / len(within)
    within *= 1 - shrinkage
    within[np.diag_indices_from(within)] += level
    variances, directions = np.linalg.eigh(within)
    variances, directions = variances[::-1], directions[:, ::-1].T
    if variances[-1] <= LEAST_VARIANCE * variances[0]:
        raise UserError(
            f"--shrinkage: expected more than {shrinkage:g}, as photos of one landmark differ in"
            f" fewer than {len(variances)} directions; 0.5 is the default"
        )
    full = Whitening(middle, np.ascontiguousarray(directions), np.ascontiguousarray(variances))
    if not dimension or dimension == rows.dimension:
        return full
    to_white = directions / np.sqrt(variances)[:, None]
    total = sums.products / sums.count - np.outer(mean, mean)
    _, kept = np.linalg.eigh(to_white @ total @ to_white.T)
    kept = kept[:, ::-1][:, :dimension].T
    return Whitening(middle, kept @ to_white, np.ones(dimension))


@dataclasses.dataclass(frozen=True)
class _ClassSums:
    """Sums over rows: (d, d) x·xᵀ, (classes, d) by class, and the number of rows of each class."""

    products: npt.NDArray[np.float64]
    of_class: npt.NDArray[np.float32]
    counts: npt.NDArray[np.int64]
    count: int


def _class_sums(
    rows: RowSource, landmarks: npt.NDArray[np.int64], wanted: npt.NDArray[np.bool_]
) -> _ClassSums:
    """One pass over the wanted rows."""
    classes, places = np.unique(landmarks[wanted], return_inverse=True)
    of_row = np.full(len(landmarks), -1)
    of_row[wanted] = places
    products = np.zeros((rows.dimension, rows.dimension))
    of_class = np.zeros((len(classes), rows.dimension), np.float32)
    seen = 0
    with Progress("fit whitening", int(wanted.sum()), "row") as progress:
        for part, length in enumerate(rows.part_lengths):
            for start in range(0, length, _ROWS_AT_ONCE):
                stop = min(start + _ROWS_AT_ONCE, length)
                of_block = of_row[seen + start : seen + stop]
                if (of_block < 0).all():
                    continue
                block = rows.read(part, start, stop)[of_block >= 0]
                np.add.at(of_class, of_block[of_block >= 0], block)
                exact = block.astype(np.float64)
                products += exact.T @ exact
                progress.update(len(block))
            seen += length
    return _ClassSums(products, of_class, np.bincount(places), int(wanted.sum()))
