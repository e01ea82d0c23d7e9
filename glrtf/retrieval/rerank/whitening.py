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
LEAST_VARIANCE = 1e-10
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
    if not most:
        raise UserError(f"{rows.name}: expected at least 2 train rows for a PCA, found 1")
    if dimension > most:
        raise UserError(
            f"--dimension: expected at most {most} for {len(used)} train rows of "
            f"{rows.dimension} numbers, found {dimension}"
        )
    pca = IncrementalPCA(dimension)
    with Progress("fit PCA", len(used), "row") as progress:
        for block in _blocks(rows, used, dimension):
            # Where all rows are equal, it divides by their variance; that is reported below.
            with np.errstate(invalid="ignore"):
                pca.partial_fit(block)
            progress.update(len(block))
    variances = pca.explained_variance_
    if variances[-1] <= LEAST_VARIANCE * variances[0]:
        spread = int((variances > LEAST_VARIANCE * variances[0]).sum())
        if not spread:
            raise UserError(f"{rows.name}: expected different train rows, found {len(used)} equal")
        raise UserError(
            f"--dimension: expected at most {spread}, in so many directions the rows of "
            f"{rows.name} spread, found {dimension}"
        )
    return Whitening(pca.mean_, pca.components_, variances)


def scaled(whitening: Whitening, power: float) -> Whitening:
    """A whitening that divides by variance^(power/2): 1 whitens, 0 only rotates."""
    return dataclasses.replace(whitening, variances=whitening.variances**power)


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
