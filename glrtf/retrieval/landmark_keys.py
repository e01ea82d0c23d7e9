"""Train neighbours as integers that sort by landmark, then by distance, roughly.

From the highest bit: the landmark, one bit that tells neighbouring images
apart, a free bit, the distance d' in whole units, the neighbour's place among
the image's neighbours. Sorting such integers is many times as fast as sorting
by two keys, and the place leads back to what was rounded.
"""

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.non_landmark import penalized_distances

LANDMARK_SHIFT = 32
"""The bits below hold distance and place, and as int32 are never negative."""

_FARTHEST = 2.25
"""No cosine distance |1 - s| is greater, whatever rounding did to the rows."""
_LOW_BITS = 30
_MOST_UNIT_BITS, _FEWEST_UNIT_BITS = 21, 12
_MOST_LANDMARKS = 1 << 29
_IMAGES_A_TILE = 8
"""Added as one long row, since many short ones take twice the time."""
_WIDEST = 2.0**10
"""Distances d' may be so far apart; units are then about a thousandth."""
_FARTHEST_ZERO = 4
"""1 - d' may be this many times the range of d'; float32 would round greater ones too far."""


@dataclasses.dataclass(frozen=True)
class LandmarkKeys:
    """How the neighbours of images become integers.

    Attributes:
        table: (train rows + 1,) int64, what each train row adds to a neighbour's
            integer; the last entry is for neighbours that are not there, row -1.
        no_landmark: The landmark of that last entry, behind all others.
        unit: The d' of one unit, a power of two.
        place_bits: How many bits the place has; a unit is 2**place_bits.
        one: What the bits below `LANDMARK_SHIFT` are where d' is 1.
        tile: (8, k) int64, what tells a neighbour's place, and an image from the next.
    """

    table: npt.NDArray[np.int64]
    no_landmark: int
    unit: float
    place_bits: int
    one: float
    tile: npt.NDArray[np.int64]

    @property
    def places(self) -> int:
        """The bits of the place."""
        return (1 << self.place_bits) - 1

    def pack(
        self,
        rows: npt.NDArray[np.int64],
        scores: npt.NDArray[np.float64],
        keys: npt.NDArray[np.int64],
        workspace: npt.NDArray[np.float64],
    ) -> bool:
        """Makes integers of the neighbours of some images, sorted for each image.

        A distance is off by at most half a unit for s and half a unit for n.

        Args:
            rows: (images, k) int64 train rows, -1 for none.
            scores: (images, k) float64, s, descending; -inf where there is none.
            keys: (images, k) int64, what is filled.
            workspace: (images, k) float64, overwritten.

        Returns:
            Whether it could be done: not with scores that are no cosines.
        """
        nearest, farthest = scores[:, 0].max(), scores[:, -1].min()
        if np.isneginf(farthest):
            scores = np.where(rows < 0, 0, scores)
            nearest, farthest = scores.max(), scores.min()
        if not (nearest <= 1 + _FARTHEST and farthest >= 1 - _FARTHEST):
            return False
        # Those that are not there stand last. To look at no row but one that is there is faster.
        self.table.take(rows, out=keys, mode="wrap" if rows[:, -1].min() < 0 else "clip")
        # Beside so large a number only whole units are left, in the lowest bits.
        large = _rounding_to(self.unit)
        if nearest > 1:
            np.abs(np.subtract(1, scores, out=workspace), out=workspace)
            workspace += large
        else:
            np.subtract(large + 1, scores, out=workspace)
        units = workspace.view(np.int64)
        units <<= self.place_bits
        whole = len(units) // _IMAGES_A_TILE * _IMAGES_A_TILE
        tiles = units[:whole].reshape(-1, self.tile.size)
        tiles += self.tile.reshape(-1)
        units[whole:] += self.tile[: len(units) - whole]
        keys += units
        keys.sort(axis=1)
        return True


def landmark_keys(
    codes: npt.NDArray[np.int64],
    unlikeness: npt.NDArray[np.float64],
    weight: float,
    num_codes: int,
    k: int,
) -> LandmarkKeys | None:
    """Prepares the integers of all train rows.

    Args:
        codes: (train rows,) int64 landmarks in 0..num_codes-1.
        unlikeness: (train rows,) float64, n(t).
        weight: How much of n counts.
        num_codes: How many landmarks there are.
        k: How many neighbours an image has.

    Returns:
        None where 64 bits are too few, or the values of n too far apart or too large.
    """
    place_bits = max(k - 1, 1).bit_length()
    unit_bits = min(_MOST_UNIT_BITS, _LOW_BITS - place_bits)
    # What n adds to d': the distance at s = 1.
    added = penalized_distances(np.array(1.0), unlikeness, weight)
    low, high = added.min(initial=0), added.max(initial=0) + _FARTHEST
    if not (abs(1 - low) <= _FARTHEST_ZERO * (high - low) <= _FARTHEST_ZERO * _WIDEST):
        return None
    if unit_bits < _FEWEST_UNIT_BITS or num_codes >= _MOST_LANDMARKS:
        return None
    # A little more than the range, so that rounding stays within the bits.
    unit = 2.0 ** (math.frexp(1.01 * (high - low))[1] - unit_bits)
    table = np.empty(len(codes) + 1, np.int64)
    np.rint((added - low) / unit, out=table[:-1], casting="unsafe")
    table[-1] = 0
    # What `pack` adds beside whole units; what it carries beyond 64 bits is meant to be lost.
    table -= np.array([_rounding_to(unit)]).view(np.int64)
    table <<= place_bits
    table[:-1] += codes << (LANDMARK_SHIFT + 1)
    table[-1:] += num_codes << (LANDMARK_SHIFT + 1)
    tile = np.tile(np.arange(k), (_IMAGES_A_TILE, 1))
    tile[1::2] += 1 << LANDMARK_SHIFT
    one = (1 - low) / unit * 2**place_bits
    return LandmarkKeys(table, num_codes, unit, place_bits, one, tile)


def _rounding_to(unit: float) -> float:
    """A float64 whose neighbours are one unit away, in the middle of such numbers."""
    return 1.5 * 2.0**52 * unit
