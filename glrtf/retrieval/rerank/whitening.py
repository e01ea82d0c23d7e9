"""Whitening: rows rotated and scaled so that train rows have equal variance in all directions.

y = L2(D^(-1/2)·U·(x - μ)) with the mean μ, the first principal directions U and the variances D
along them: of the train rows (Jégou and Chum, ECCV 2012), or of the differences between photos of
one landmark.
"""

import dataclasses
import io
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.rows import RowSource, normalized
from tfrecords_tools.errors import UserError, optional_package
from tfrecords_tools.progress import Progress
from tfrecords_tools.storage import files
from tfrecords_tools.storage.array_files import load_archive

_ROWS_AT_ONCE = 8192
_LEAST_VARIANCE = 1e-10
"""Directions with less than this share of the largest variance are only rounding errors."""


@dataclasses.dataclass(frozen=True)
class Whitening:
    """A fitted transformation.

    Attributes:
        mean: (d,) float64, μ.
        directions: (k, d) float64, U: orthonormal, by descending variance.
        variances: (k,) float64, D.
    """

    mean: npt.NDArray[np.float64]
    directions: npt.NDArray[np.float64]
    variances: npt.NDArray[np.float64]

    def apply(self, rows: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Whitens rows.

        Args:
            rows: (n, d) floats.

        Returns:
            (n, k) float32, rows of length 1.
        """
        moved = (rows - self.mean) @ (self.directions / np.sqrt(self.variances)[:, None]).T
        return normalized(moved).astype(np.float32)

    def as_layer(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """The same map as an affine layer: weight (d, k) and bias (k,), float32."""
        weight = (self.directions / np.sqrt(self.variances)[:, None]).T
        return weight.astype(np.float32), (-self.mean @ weight).astype(np.float32)


def fit(rows: RowSource, dimension: int, max_rows: int = 0) -> Whitening:
    """Fits a whitening by incremental PCA; a few thousand rows are in memory at a time.

    Args:
        rows: The train rows.
        dimension: How many directions are kept.
        max_rows: How many rows are used, spread evenly; 0 uses all.

    Raises:
        UserError: If scikit-learn is missing, or the rows do not vary in `dimension` directions.
    """
    optional_package("sklearn", "glrtf whiten", "scikit-learn", "whiten")
    from sklearn.decomposition import IncrementalPCA

    used = _chosen(len(rows.ids), max_rows)
    most = min(rows.dimension, len(used) - 1)
    if dimension > most:
        raise UserError(
            f"--dimension: expected at most {most} for {len(used)} train rows of "
            f"{rows.dimension} numbers, found {dimension}"
        )
    pca = IncrementalPCA(dimension)
    with Progress("fit PCA", len(used), "row") as progress:
        for block in _blocks(rows, used, dimension):
            pca.partial_fit(block)
            progress.update(len(block))
    variances = pca.explained_variance_
    if variances[-1] <= _LEAST_VARIANCE * variances[0]:
        spread = int((variances > _LEAST_VARIANCE * variances[0]).sum())
        raise UserError(
            f"--dimension: expected at most {spread}, in so many directions the rows of "
            f"{rows.name} spread, found {dimension}"
        )
    return Whitening(pca.mean_, pca.components_, variances)


def scaled(whitening: Whitening, power: float) -> Whitening:
    """A whitening that divides by variance^(power/2): 1 whitens, 0 only rotates."""
    return dataclasses.replace(whitening, variances=whitening.variances**power)


def fit_within_class(
    rows: RowSource,
    landmarks: npt.NDArray[np.int64],
    *,
    shrinkage: float,
    dimension: int = 0,
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
    level = shrinkage * np.trace(within) / len(within)
    within *= 1 - shrinkage
    within[np.diag_indices_from(within)] += level
    variances, directions = np.linalg.eigh(within)
    variances, directions = variances[::-1], directions[:, ::-1].T
    if variances[-1] <= _LEAST_VARIANCE * variances[0]:
        raise UserError(
            f"--shrinkage: expected more than {shrinkage:g}, as photos of one landmark differ in"
            f" fewer than {len(variances)} directions; 0.5 is the default"
        )
    full = Whitening(mean, np.ascontiguousarray(directions), np.ascontiguousarray(variances))
    if not dimension or dimension == rows.dimension:
        return full
    to_white = directions / np.sqrt(variances)[:, None]
    total = sums.products / sums.count - np.outer(mean, mean)
    _, kept = np.linalg.eigh(to_white @ total @ to_white.T)
    kept = kept[:, ::-1][:, :dimension].T
    return Whitening(mean, kept @ to_white, np.ones(dimension))


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


def save(path: str, whitening: Whitening) -> None:
    """Writes a whitening as an archive of arrays."""
    buffer = io.BytesIO()
    np.savez(buffer, **dataclasses.asdict(whitening))
    files.write_bytes(path, buffer.getvalue())


def load(path: str) -> Whitening:
    """Reads a whitening.

    Raises:
        UserError: If the file is missing or was not written by `save`.
    """
    arrays = load_archive(path, "a whitening")
    names = [field.name for field in dataclasses.fields(Whitening)]
    if sorted(arrays) != sorted(names):
        raise UserError(f"{path}: expected {', '.join(names)}, found {', '.join(sorted(arrays))}")
    return Whitening(**arrays)


def whitened_part(rows: RowSource, part: int, whitening: Whitening) -> npt.NDArray[np.float32]:
    """A part's rows, whitened: (part's length, k) float32."""
    length = rows.part_lengths[part]
    result = np.empty((length, len(whitening.variances)), np.float32)
    for start in range(0, length, _ROWS_AT_ONCE):
        block = rows.read(part, start, min(start + _ROWS_AT_ONCE, length))
        result[start : start + len(block)] = whitening.apply(block)
    return result


def _chosen(count: int, most: int) -> npt.NDArray[np.int64]:
    """Row numbers spread evenly, ascending."""
    if most == 0 or most >= count:
        return np.arange(count)
    return np.arange(most) * count // most


def _blocks(
    rows: RowSource, used: npt.NDArray[np.int64], dimension: int
) -> Iterator[npt.NDArray[np.float64]]:
    """The used rows, some thousands at a time; none has fewer rows than there are directions."""
    least = max(_ROWS_AT_ONCE, 2 * dimension)
    kept: list[npt.NDArray[np.float64]] = []
    buffered, seen, left = 0, 0, len(used)
    for part, length in enumerate(rows.part_lengths):
        for start in range(0, length, _ROWS_AT_ONCE):
            stop = min(start + _ROWS_AT_ONCE, length)
            first, last = np.searchsorted(used, [seen + start, seen + stop])
            if first == last:
                continue
            block = rows.read(part, start, stop)[used[first:last] - seen - start]
            kept.append(block.astype(np.float64))
            buffered += len(block)
            if buffered >= least and left - buffered >= dimension:
                left -= buffered
                yield np.concatenate(kept)
                kept, buffered = [], 0
        seen += length
    yield np.concatenate(kept)
