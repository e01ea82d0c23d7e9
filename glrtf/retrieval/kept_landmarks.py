"""The landmarks that many images keep: step 4, with as little exact arithmetic as will do."""

import numpy as np
import numpy.typing as npt

from glrtf.config.retrieval import LandmarkConfig
from glrtf.retrieval import landmarks
from glrtf.retrieval.landmark_keys import landmark_keys
from glrtf.retrieval.landmarks import NO_LANDMARK, LandmarkConfidences
from glrtf.retrieval.likely_landmarks import (
    LeaderFinder,
    Leaders,
    LikelyLandmarks,
    looked_up,
)
from glrtf.retrieval.neighbors import Neighbors
from glrtf.retrieval.non_landmark import penalized_distances
from glrtf.retrieval.ordering import descending_in_groups, places_in_groups
from glrtf.retrieval.processors import for_all, usable_processors

_FEWEST_A_TASK = 512
_IMAGES_AT_ONCE = 128
"""So few that their neighbours stay in the cache."""
_MOST_ROUNDED = 16
"""Sums of more neighbours would be rounded too far."""


class LandmarkKeeper:
    """Finds the landmarks images keep, on all processors.

    Args:
        known: Landmark ids, ascending.
        codes: (train rows,) int64, each train image's place in `known`.
        unlikeness: (train rows,) float64, n(t).
        k: How many neighbours an image has.
        settings: The parameters.
    """

    def __init__(
        self,
        known: npt.NDArray[np.int64],
        codes: npt.NDArray[np.int64],
        unlikeness: npt.NDArray[np.float64],
        k: int,
        settings: LandmarkConfig,
    ) -> None:
        self._known, self._settings = known, settings
        # The last entry is for neighbours that are not there: row -1.
        self._codes = np.append(codes, NO_LANDMARK)
        self._unlikeness = np.append(unlikeness, 1.0)
        self._keys = None
        # Neighbours of one image and the next are told apart, not those of the one after that.
        if settings.per_landmark <= min(_MOST_ROUNDED, k):
            weight = settings.non_landmark_weight
            self._keys = landmark_keys(codes, unlikeness, weight, len(known), k)
        self._idle: list[LeaderFinder] = []
        """Their arrays are large: a thread takes one that none uses."""

    def __call__(self, near: Neighbors) -> LandmarkConfidences:
        """The landmarks that some images keep.

        Args:
            near: The images' nearest train images.
        """
        images = len(near.indices)
        kept = LandmarkConfidences(
            np.full((images, self._settings.keep), NO_LANDMARK, np.int64),
            np.full((images, self._settings.keep), -np.inf),
        )

        # Equal shares: with a task more for one processor the others would wait for it.
        share = max(_FEWEST_A_TASK, -(-images // usable_processors()))

        def keep(start: int) -> None:
            task = slice(start, start + share)
            some = Neighbors(np.asarray(near.indices[task]), np.asarray(near.scores[task]))
            self._keep(some, LandmarkConfidences(kept.landmarks[task], kept.confidences[task]))

        for_all(keep, range(0, images, share))
        return kept

    def _keep(self, near: Neighbors, kept: LandmarkConfidences) -> None:
        """Fills in the landmarks of some images."""
        slowly = np.ones(len(near.indices), bool)
        if self._keys is not None:
            leaders = self._leaders(near)
            slowly[leaders.images] = False
            likely = looked_up(leaders, self._keys, near)
            slowly[likely.images[likely.doubtful]] = True
            self._settle(likely, kept)
        self._keep_slowly(near, np.flatnonzero(slowly), kept)

    def _leaders(self, near: Neighbors) -> Leaders:
        """Those of all images whose scores are cosines."""
        finder = self._idle.pop() if self._idle else self._new_finder(near.k)
        settings = self._settings
        images = [np.empty(0, np.int64)]
        keys = [np.empty((0, settings.per_landmark + 1), np.int64)]
        for start in range(0, len(near.indices), finder.at_once):
            block = slice(start, start + finder.at_once)
            leaders = finder(near.indices[block], near.scores[block])
            if leaders is not None:
                images.append(leaders.images + start)
                keys.append(leaders.keys)
        self._idle.append(finder)
        return Leaders(np.concatenate(images), np.concatenate(keys))

    def _new_finder(self, k: int) -> LeaderFinder:
        assert self._keys is not None
        settings = self._settings
        mean = settings.aggregate == "mean"
        return LeaderFinder(self._keys, k, settings.per_landmark, settings.keep, mean)

    def _settle(self, likely: LikelyLandmarks, kept: LandmarkConfidences) -> None:
        """Sums exactly and keeps the best."""
        settings = self._settings
        distances = penalized_distances(
            likely.scores,
            self._unlikeness.take(likely.rows, mode="wrap"),
            settings.non_landmark_weight,
        )
        if settings.per_landmark > 2:
            # The nearest first: sums of two do not depend on their order, sums of more do.
            distances[~likely.there] = np.inf
            distances.sort(axis=1)
        sums = 1 - distances[:, 0]
        for step in range(1, settings.per_landmark):
            np.add(sums, 1 - distances[:, step], out=sums, where=likely.there[:, step])
        if settings.aggregate == "mean":
            sums /= likely.there.sum(axis=1)
        # Equal ones stay as they stand: landmarks in ascending order.
        order = descending_in_groups(likely.images, sums)
        places = places_in_groups(likely.images, len(kept.landmarks))
        best = np.flatnonzero(places < settings.keep)
        # The order is by image too, so that the places are those of the ordered.
        cells = (likely.images * settings.keep + places).take(best)
        order = order.take(best)
        kept.landmarks.reshape(-1)[cells] = self._known.take(likely.codes.take(order))
        kept.confidences.reshape(-1)[cells] = sums.take(order)
        kept.confidences[:, 0] += settings.best_bonus

    def _keep_slowly(
        self, near: Neighbors, images: npt.NDArray[np.int64], kept: LandmarkConfidences
    ) -> None:
        """Sums exactly whatever there is to sum."""
        settings = self._settings
        for start in range(0, len(images), _IMAGES_AT_ONCE):
            some = images[start : start + _IMAGES_AT_ONCE]
            rows = near.indices[some]
            exact = landmarks.landmark_confidences(
                self._codes.take(rows, mode="wrap"),
                penalized_distances(
                    near.scores[some],
                    self._unlikeness.take(rows, mode="wrap"),
                    settings.non_landmark_weight,
                ),
                self._known,
                per_landmark=settings.per_landmark,
                best_bonus=settings.best_bonus,
                keep=settings.keep,
                mean=settings.aggregate == "mean",
            )
            kept.landmarks[some], kept.confidences[some] = exact.landmarks, exact.confidences
