"""Candidates as single integers, and the thresholds they are compared with.

The upper bits hold the score, ordered so that a greater score is a smaller
number; the lower bits hold the row. Sorting such integers breaks ties by row, and is
many times as fast as sorting scores along with rows.
"""

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.ordering import falling_bits, scores_of_bits

_ROW_BITS = 32
ROWS = (1 << _ROW_BITS) - 1
"""Above all rows; what is below the score of a key."""
_HALF_BITS = 16
HALF_SPACING = 2.0**-7 * 1.01
"""Between neighbouring bfloat16 numbers, relative to the smaller, and a little more."""


def front(
    keys: npt.NDArray[np.int64], last: npt.NDArray[np.int64] | np.int64
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Each row's keys up to its last, moved to its front, and how many they are."""
    passes = keys <= last
    counts = np.count_nonzero(passes, axis=1)
    moved = np.full((len(keys), int(counts.max(initial=0))), NOTHING)
    moved[np.arange(moved.shape[1]) < counts[:, None]] = keys[passes]
    return moved, counts


def packed(
    scores: npt.NDArray[np.float32], rows: npt.NDArray[np.int64] | np.int64
) -> npt.NDArray[np.int64]:
    """Scores and rows as integers in the order of descending scores, then ascending rows."""
    return (falling_bits(scores).astype(np.int64) << _ROW_BITS) | rows


def scores_of(keys: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """The scores that `packed` has packed."""
    return scores_of_bits((keys >> _ROW_BITS).astype(np.int32))


NOTHING = int(packed(np.array([-np.inf], np.float32), np.int64(ROWS))[0])


def lowered(
    scores: npt.NDArray[np.float32], error: float | npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Scores less an error, rounded down; as they are without one."""
    if isinstance(error, float) and error == 0:
        return scores
    return toward_nothing(scores - np.asarray(error, np.float32))


def toward_nothing(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The next smaller numbers, to compensate for rounding up."""
    return np.nextafter(scores, np.float32(-np.inf))


def halves_reaching(least: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    """The bits of the least bfloat16 numbers that what reaches a positive number rounds to.

    Rounding to the nearest keeps order: what reaches a number reaches, rounded, that
    number rounded; here ties go down, so that it is never rounded further up.
    """
    return ((least.view(np.int32) + 0x7FFF) >> _HALF_BITS).astype(np.int16)


def least_of_halves(halves: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
    """The least float32 numbers that round to positive bfloat16 ones, given as bits.

    What was rounded is above by `HALF_SPACING` of it at most.
    """
    bits = (halves.astype(np.int32) << _HALF_BITS) - (1 << (_HALF_BITS - 1))
    return bits.view(np.float32)
