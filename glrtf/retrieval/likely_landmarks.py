"""The few landmarks of an image that can be among its best, found by rounded sums.

Of some hundred landmarks that an image's train neighbours show, it keeps a
few. Sums of rounded values leave out nearly all others; what is left is
summed exactly elsewhere.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from glrtf.retrieval.landmark_keys import LANDMARK_SHIFT, LandmarkKeys

_NUMBERS_AT_ONCE = 153_600
"""512 images of 300 neighbours: they stay in the cache, and threads seldom wait for each other."""
_HALVED_DOWN_TO = 8
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


def concatenated(several: Sequence[LikelyLandmarks]) -> LikelyLandmarks:
    """The likely landmarks of several blocks of images as one."""
    names = [field.name for field in dataclasses.fields(LikelyLandmarks)]
    return LikelyLandmarks(
        *(np.concatenate([getattr(one, name) for one in several]) for name in names)
    )


class LikelyFinder:
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
        self._packed = np.empty((self.at_once, k), np.int64)
        self._workspace = np.empty((self.at_once, k))
        # Reaching beyond an image's last neighbour costs no test with some that fit nowhere.
        self._low = np.zeros(numbers + per_landmark, np.int32)
        self._marks = np.empty(numbers + per_landmark, np.int32)
        self._values = np.zeros(numbers + per_landmark, np.float32)
        self._alike = np.empty(numbers, np.float32)

    def __call__(
        self, rows: npt.NDArray[np.int64], scores: npt.NDArray[np.float64]
    ) -> LikelyLandmarks | None:
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
        packed = self._packed[:images]
        if not self._keys.pack(rows, scores, packed, self._workspace[:images]):
            return None
        numbers = images * k
        np.copyto(self._low[:numbers], packed.reshape(-1), casting="unsafe")
        packed >>= LANDMARK_SHIFT
        np.copyto(self._marks[:numbers], packed.reshape(-1), casting="unsafe")
        self._marks[numbers : numbers + self._per] = -1
        sums = self._rounded_sums(numbers)
        if rows[:, -1].min() < 0:
            sums[self._marks[:numbers] >> 1 == self._keys.no_landmark] = -_NEVER
        sums = sums.reshape(images, k)
        slack = (4 * self._per + self._per**2) << self._keys.place_bits
        bound = np.maximum(_kth_best(sums, self._keep) - np.float32(2 * slack), -_NEVER / 2)
        return self._gathered(np.flatnonzero(sums >= bound[:, None]), rows, scores)

    def _rounded_sums(self, numbers: int) -> npt.NDArray[np.float32]:
        """(numbers,) float32: 1 - d' in units, summed at each landmark's first neighbour.

        Elsewhere so low a number that it is never chosen.
        """
        marks, alike = self._marks, self._alike[:numbers]
        values, sums = self._values, self._values[:numbers]
        np.copyto(sums, self._low[:numbers])
        np.subtract(np.float32(self._keys.one), sums, out=sums)
        if self._per > 2:
            sums = sums.copy()
        counts = np.ones(numbers, np.float32) if self._mean else None
        follows = marks[:numbers] == marks[1 : numbers + 1]
        for step in range(1, self._per):
            same = follows if step == 1 else marks[:numbers] == marks[step : step + numbers]
            np.copyto(alike, same)
            if counts is not None:
                counts += alike
            alike *= values[step : step + numbers]
            sums += alike
        if counts is not None:
            sums /= counts
        np.copyto(alike, follows)
        alike *= _NEVER
        sums[1:] -= alike[:-1]
        return sums

    def _gathered(
        self,
        first: npt.NDArray[np.int64],
        rows: npt.NDArray[np.int64],
        scores: npt.NDArray[np.float64],
    ) -> LikelyLandmarks:
        """Looks up the neighbours that stand at some places of the sorted integers, and behind."""
        k, per = rows.shape[1], self._per
        members = first[:, None] + np.arange(per + 1)
        marks = self._marks.take(members)
        there = marks == marks[:, :1]
        low = self._low.take(members)
        images = first // k
        places = (low[:, :per] & self._keys.places) + (images * k)[:, None]
        # Rounded by less than a unit each, neighbours 3 units apart are in their order.
        low >>= self._keys.place_bits
        doubtful = there[:, per] & (low[:, per] - low[:, per - 1] < 3)
        return LikelyLandmarks(
            images=images,
            codes=marks[:, 0].astype(np.int64) >> 1,
            rows=rows.take(places),
            scores=scores.take(places),
            there=there[:, :per],
            doubtful=doubtful,
        )


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
