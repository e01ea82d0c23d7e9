"""The directions in which the rows of a set spread most."""

import numpy as np
import numpy.typing as npt

from glrtf.embeddings.rows import RowSource

_ROWS_AT_ONCE = 8192
_MOST_BLOCKS = 16


def principal_map(
    rows: RowSource, dimension: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The affine map to the first principal components, scaled by nothing.

    Args:
        rows: At most 131,072 of them are read, in blocks spread evenly over the set.
        dimension: How many components.

    Returns:
        weight (width, dimension) and bias (dimension,), float32: row · weight + bias is the
        centred row along each direction, the widest first. The largest number of a direction
        is positive. Where the rows spread in fewer directions, the others are zero.
    """
    mean, moments, count = np.zeros(rows.dimension), np.zeros((rows.dimension,) * 2), 0
    for part, start in _blocks(rows.part_lengths):
        length = min(_ROWS_AT_ONCE, rows.part_lengths[part] - start)
        block = rows.read(part, start, start + length).astype(np.float64)
        mean += block.sum(axis=0)
        moments += block.T @ block
        count += length
    mean /= max(count, 1)
    spread = moments / max(count, 1) - np.outer(mean, mean)
    variances, directions = np.linalg.eigh(spread)
    chosen = directions[:, ::-1][:, :dimension]
    signs = np.sign(np.take_along_axis(chosen, np.abs(chosen).argmax(axis=0)[None], axis=0))
    kept = variances[::-1][:dimension] > 1e-10 * max(variances[-1], 0.0)
    weight = chosen * signs * kept
    return weight.astype(np.float32), (-mean @ weight).astype(np.float32)


def _blocks(part_lengths: tuple[int, ...]) -> list[tuple[int, int]]:
    """(part, first row) of the blocks that are read."""
    found = [
        (part, start)
        for part, length in enumerate(part_lengths)
        for start in range(0, length, _ROWS_AT_ONCE)
    ]
    if len(found) <= _MOST_BLOCKS:
        return found
    return [found[n * len(found) // _MOST_BLOCKS] for n in range(_MOST_BLOCKS)]
