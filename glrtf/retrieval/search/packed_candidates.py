"""Candidates packed into single integers (keys), and the thresholds they are compared with.

The upper bits of a key hold the score, encoded so that a greater score is a smaller number; the
lower bits hold the row. Sorting keys breaks ties by row and is many times as fast as sorting
scores and rows together.
"""

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.ordering import falling_bits, scores_of_bits

_ROW_BITS = 32
ROWS = (1 << _ROW_BITS) - 1
"""The mask of a key's row; greater than every row."""
_HALF_BITS = 16
HALF_SPACING = 2.0**-7 * 1.01
"""Relative distance of neighbouring bfloat16 numbers, with a margin of 1 %."""


def front(
    keys: npt.NDArray[np.int64], last: npt.NDArray[np.int64] | np.int64
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Moves each row's keys up to `last` to the front of the row; also returns their counts."""
    passes = keys <= last
    counts = np.count_nonzero(passes, axis=1)
    moved = np.full((len(keys), int(counts.max(initial=0))), NOTHING)
    moved[np.arange(moved.shape[1]) < counts[:, None]] = keys[passes]
    return moved, counts


def packed(
    scores: npt.NDArray[np.float32], rows: npt.NDArray[np.int64] | np.int64
) -> npt.NDArray[np.int64]:
    """Keys of scores and rows; they sort by descending score, then by ascending row."""
    return (falling_bits(scores).astype(np.int64) << _ROW_BITS) | rows


def scores_of(keys: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """The scores in keys."""
    return scores_of_bits((keys >> _ROW_BITS).astype(np.int32))


NOTHING = int(packed(np.array([-np.inf], np.float32), np.int64(ROWS))[0])


def lowered(
    scores: npt.NDArray[np.float32], error: float | npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Scores minus an error, rounded down; unchanged if the error is 0."""
    if isinstance(error, float) and error == 0:
        return scores
    return toward_nothing(scores - np.asarray(error, np.float32))


def toward_nothing(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The next smaller float32 numbers, to compensate for rounding up."""
    return np.nextafter(scores, np.float32(-np.inf))


def halves_reaching(least: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    """The bits of the smallest bfloat16 numbers that scores of at least `least` can round to.

    Rounding to nearest is monotonic: a score of at least `least` rounds to at least the rounded
    `least`. Ties round down here, so that `least` is never rounded higher than a score.

    Args:
        least: Positive thresholds.
    """
    return ((least.view(np.int32) + 0x7FFF) >> _HALF_BITS).astype(np.int16)


def least_of_halves(halves: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
    """The smallest float32 numbers that round to positive bfloat16 numbers, given as bits.

    The number that was rounded exceeds it by at most `HALF_SPACING`, relatively.
    """
    bits = (halves.astype(np.int32) << _HALF_BITS) - (1 << (_HALF_BITS - 1))
    return bits.view(np.float32)
