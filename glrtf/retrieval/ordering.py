"""Sorts by one integer per element, many times faster than lexicographic sorts.

A score's bits, mapped so that a larger score is a smaller number, are packed together with the tie
breaker, and the integers are sorted.
"""

import numpy as np
import numpy.typing as npt

_BELOW_SIGN = np.int32(0x7FFFFFFF)
_SCORE_BITS = 32
_MOST_BITS = 63


def falling_bits(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
    """Integers in the order of descending scores, any shape; equal ones for -0 and 0."""
    # Except for the sign, the bits of negative numbers are in reverse order.
    bits = (scores + np.float32(0)).view(np.int32)
    return ~(bits ^ ((bits >> 31) & _BELOW_SIGN))


def scores_of_bits(falling: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    """The scores that `falling_bits` was given."""
    bits = ~falling
    return (bits ^ ((bits >> 31) & _BELOW_SIGN)).view(np.float32)


def id_ranks(ids: npt.NDArray[np.bytes_]) -> npt.NDArray[np.int64]:
    """The place of each of (n,) ids by ascending id; each occurs once."""
    ranks = np.empty(len(ids), np.int64)
    ranks[np.argsort(ids)] = np.arange(len(ids))
    return ranks


def stable_order(keys: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The places of (n,) integers from 0 on in ascending order; the sort is stable."""
    bits = bits_of_places(len(keys))
    if int(keys.max(initial=0)).bit_length() + bits > _MOST_BITS:
        return np.argsort(keys, kind="stable")
    return sorted_with_places(keys)[1]


def descending_in_groups(
    groups: npt.NDArray[np.int64],
    scores: npt.NDArray[np.float64],
    second: npt.NDArray[np.float64] | None = None,
) -> npt.NDArray[np.int64]:
    """Orders by group, then score descending; the sort is stable.

    Scores are sorted as float32. Where that leaves a group out of order, it is
    sorted again by the scores themselves.

    Args:
        groups: (n,) int64 from 0 on.
        scores: (n,) float64.
        second: (n,) float64, the tie breaker, descending.

    Returns:
        (n,) int64 places.
    """
    falling = falling_bits(scores.astype(np.float32)).astype(np.int64)
    falling += 1 << (_SCORE_BITS - 1)
    bits = bits_of_places(len(groups))
    if int(groups.max(initial=0)).bit_length() + bits + _SCORE_BITS <= _MOST_BITS:
        keys, order = sorted_with_places((groups << _SCORE_BITS) | falling)
        alike = np.flatnonzero(keys[1:] == keys[:-1])
    else:
        order = stable_order(falling)
        order = order[stable_order(groups[order])]
        grouped, rounded = groups[order], falling[order]
        alike = np.flatnonzero((grouped[1:] == grouped[:-1]) & (rounded[1:] == rounded[:-1]))
    # Only scores that are equal in float32 can be in the wrong order.
    before, after = order[alike], order[alike + 1]
    wrong = scores[after] > scores[before]
    if second is not None:
        wrong |= (scores[after] == scores[before]) & (second[after] > second[before])
    if wrong.any():
        places = np.flatnonzero(np.isin(groups[order], groups[after[wrong]]))
        again = np.sort(order[places])
        by = [-scores[again], groups[again]]
        if second is not None:
            by.insert(0, -second[again])
        order[places] = again[np.lexsort(by)]
    return order


def ranges(
    starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Several ranges of integers, one after the other.

    Args:
        starts: (n,) first integer of each range.
        lengths: (n,) number of integers in each, 0 or more.

    Returns:
        The integers, (total,), and which range each belongs to, (total,).
    """
    which = np.repeat(np.arange(len(lengths)), lengths)
    # The offsets are looked up by range: repeating them would be slow.
    offsets = starts - (np.cumsum(lengths) - lengths)
    return offsets.take(which) + np.arange(len(which)), which


def first_of_each(ascending: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Where each run of equal values begins in (n,) values."""
    first = np.ones(len(ascending), bool)
    np.not_equal(ascending[1:], ascending[:-1], out=first[1:])
    return np.flatnonzero(first)


def bits_of_places(count: int) -> int:
    """How many bits `sorted_with_places` needs below the keys."""
    return max(count - 1, 1).bit_length()


def sorted_with_places(
    keys: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Sorts the last axis; the sort is stable.

    Args:
        keys: (..., n) from 0 on, with `bits_of_places(n)` bits free at the top.

    Returns:
        The keys in ascending order and the original position of each, both (..., n).
    """
    bits = bits_of_places(keys.shape[-1])
    packed = keys << bits
    packed |= np.arange(keys.shape[-1])
    packed.sort(axis=-1)
    places = packed & ((1 << bits) - 1)
    packed >>= bits
    return packed, places
