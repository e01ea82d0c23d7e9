"""The few landmarks of an image that can be among its best, found by rounded sums.

Of some hundred landmarks that an image's train neighbours show, it keeps a
few. Sums of rounded values leave out nearly all others; what is left is
summed exactly elsewhere.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.landmark_keys import LANDMARK_SHIFT, LandmarkKeys
from glrtf.retrieval.neighbors import Neighbors

_NUMBERS_AT_ONCE = 153_600
"""512 images of 300 neighbours: they stay in the cache, and threads seldom wait for each other."""
_HALVED_DOWN_TO = 4
"""A bound is looked for among this many maxima for each landmark kept, or a few more."""
_NEVER = np.float32(2.0**60)
"""More than any sum of values in units."""


@dataclasses.dataclass(frozen=True)
class LikelyLandmarks:
    """Landmarks that can be among the best of their image, in ascending order for each.

    Attributes:
        images: (n,) int64, ascending.
        codes: (n,) int64 landmarks as places among those known.
        rows: (n, per_landmark) int64 train rows: the neighbours that count, in any order.
        scores: (n, per_landmark) float64, their s.
        there: (n, per_landmark) bool, whether there are so many neighbours.
        doubtful: (n,) bool, whether rounding may have chosen other neighbours.
    """

    images: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    there: npt.NDArray[np.bool_]
    doubtful: npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Leaders:
    """The first neighbour of each likely landmark, and those behind it in the sorted integers.

    Attributes:
        images: (n,) int64, ascending.
        keys: (n, per_landmark + 1) int64, as `LandmarkKeys.pack` makes them; -1 beyond the
            last image's last neighbour.
    """

    images: npt.NDArray[np.int64]
    keys: npt.NDArray[np.int64]


def looked_up(leaders: Leaders, keys: LandmarkKeys, near: Neighbors) -> LikelyLandmarks:
    """Which neighbours the integers stand for.

    Args:
        leaders: The integers.
        keys: How they were made.
        near: The images' neighbours.
    """
    k, per = near.k, leaders.keys.shape[1] - 1
    marks = leaders.keys >> LANDMARK_SHIFT
    there = marks == marks[:, :1]
    # Rounded by less than a unit each, neighbours 3 units apart are in their order.
    close = leaders.keys[:, per] - leaders.keys[:, per - 1] < 3 << keys.place_bits
    places = leaders.keys[:, :per] & keys.places
    # Beyond the last image's last neighbour there is none, and `there` says so.
    places += (leaders.images * k)[:, None]
    return LikelyLandmarks(
        images=leaders.images,
        codes=marks[:, 0] >> 1,
        rows=near.indices.reshape(-1).take(places, mode="clip"),
        scores=near.scores.reshape(-1).take(places, mode="clip"),
        there=there[:, :per],
        doubtful=there[:, per] & close,
    )


class LeaderFinder:
    """Finds likely landmarks, some images at a time; one thread's own.

    Args:
        keys: How neighbours become integers.
        k: How many neighbours an image has.
        per_landmark: How many neighbours of a landmark count.
        keep: How many landmarks an image keeps.
        mean: Whether values are averaged instead of summed.

    Attributes:
        at_once: At most so many images are given to a call.
    """

    def __init__(
        self, keys: LandmarkKeys, k: int, per_landmark: int, keep: int, mean: bool
    ) -> None:
        self._keys, self._per, self._keep, self._mean = keys, per_landmark, keep, mean
        self.at_once = max(1, _NUMBERS_AT_ONCE // k)
        numbers = self.at_once * k
        # Reaching beyond an image's last neighbour costs no test with some that fit nowhere.
        self._packed = np.empty(numbers + per_landmark, np.int64)
        self._marks = np.empty(numbers + per_landmark, np.int32)
        self._values = np.zeros(numbers + per_landmark, np.float32)
        self._alike = np.empty(numbers, np.float32)
        self._workspace = np.empty((self.at_once, k))

    def __call__(
        self, rows: npt.NDArray[np.int64], scores: npt.NDArray[np.float64]
    ) -> Leaders | None:
        """Finds the likely landmarks of some images.

        A rounded value is off by less than 4 units: one for s and n, one for the place
        in the lowest bits, and the rest for float32, which has 24 bits; sums of p values
        are rounded by less than p units each time. So a rounded sum is off by less than
        `slack` = 4p + p² units, a mean by no more. Where `keep` landmarks have rounded
        sums of at least T, the exact sums of the best are at least T - slack, and their
        rounded ones at least T - 2·slack.

        Args:
            rows: (images, k) int64 train rows, -1 for none.
            scores: (images, k) float64, s, descending; -inf where there is none.

        Returns:
            None where the scores are no cosines.
        """
        images, k = rows.shape
        numbers = images * k
        packed = self._packed[:numbers]
        if not self._keys.pack(rows, scores, packed.reshape(images, k), self._workspace[:images]):
            return None
        self._packed[numbers : numbers + self._per] = -1
        sums = self._rounded_sums(packed)
        if rows[:, -1].min() < 0:
            sums[self._marks[:numbers] >> 1 == self._keys.no_landmark] = -_NEVER
        sums = sums.reshape(images, k)
        slack = (4 * self._per + self._per**2) << self._keys.place_bits
        bound = np.maximum(_kth_best(sums, self._keep) - np.float32(2 * slack), -_NEVER / 2)
        first = np.flatnonzero(sums >= bound[:, None])
        return Leaders(first // k, self._packed.take(first[:, None] + np.arange(self._per + 1)))

    def _rounded_sums(self, packed: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """(numbers,) float32: 1 - d' in units, summed at each landmark's first neighbour.

        Elsewhere so low a number that it is never chosen.
        """
        numbers = len(packed)
        marks, alike = self._marks, self._alike[:numbers]
        values, sums = self._values, self._values[:numbers]
        spare = self._workspace.reshape(-1)
        high = np.right_shift(packed, LANDMARK_SHIFT, out=spare.view(np.int64)[:numbers])
        np.copyto(marks[:numbers], high, casting="unsafe")
        marks[numbers : numbers + self._per] = -1
        low, products = spare.view(np.int32)[:numbers], spare.view(np.float32)[numbers:]
        np.copyto(low, packed, casting="unsafe")
        np.copyto(sums, low)
        np.subtract(np.float32(self._keys.one), sums, out=sums)
        if self._per > 2:
            sums = sums.copy()
        counts = np.ones(numbers, np.float32) if self._mean else None
        for step in range(self._per - 1, 0, -1):
            np.copyto(alike, marks[:numbers] == marks[step : step + numbers])
            if counts is not None:
                counts += alike
            sums += np.multiply(alike, values[step : step + numbers], out=products[:numbers])
        if self._per == 1:
            np.copyto(alike, marks[:numbers] == marks[1 : numbers + 1])
        if counts is not None:
            sums /= counts
        # What follows one of its own landmark leads none.
        alike *= _NEVER
        sums[1:] -= alike[:-1]
        return sums


def _kth_best(values: npt.NDArray[np.float32], k: int) -> npt.NDArray[np.float32]:
    """(rows,) float32 that at least k values of each row reach, close to the k-th best.

    Maxima of disjoint sets of values are as many values.
    """
    width = values.shape[1]
    if width < k:
        return np.full(len(values), -np.inf, np.float32)
    while width >= 2 * _HALVED_DOWN_TO * k:
        width //= 2
        values = np.maximum(values[:, :width], values[:, width : 2 * width])
    return np.partition(values, width - k, axis=1)[:, width - k]
