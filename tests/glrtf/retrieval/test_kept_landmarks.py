"""Landmarks kept by way of rounded sums against exact sums of everything."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glrtf.config.retrieval import LandmarkConfig
from glrtf.retrieval import kept_landmarks, landmarks, likely_landmarks, non_landmark
from glrtf.retrieval.kept_landmarks import LandmarkKeeper
from glrtf.retrieval.landmark_keys import LANDMARK_SHIFT, landmark_keys
from glrtf.retrieval.neighbors import Neighbors


def slowly(near, known, codes, unlike, config):
    there = near.indices >= 0
    distances = non_landmark.penalized_distances(
        near.scores, np.where(there, unlike[near.indices], 1.0), config.non_landmark_weight
    )
    return landmarks.landmark_confidences(
        np.where(there, codes[near.indices], -1),
        distances,
        known,
        per_landmark=config.per_landmark,
        best_bonus=config.best_bonus,
        keep=config.keep,
        mean=config.aggregate == "mean",
    )


def random_world(rng, images, width, train, num_known, levels, low, high, missing):
    """Few levels make ties of distances and sums, many make none."""
    known = np.sort(rng.choice(10**6, num_known, replace=False))
    codes = rng.integers(num_known, size=train)
    unlike = rng.integers(levels, size=train) / levels
    scores = low + (high - low) * rng.integers(levels, size=(images, width)) / levels
    scores = -np.sort(-scores, axis=1)
    indices = rng.integers(train, size=(images, width))
    if missing:
        gone = np.arange(width) >= rng.integers(0, width + 1, size=images)[:, None]
        indices, scores = np.where(gone, -1, indices), np.where(gone, -np.inf, scores)
    return known, codes, unlike, Neighbors(indices, scores)


def assert_same(near, known, codes, unlike, config):
    found = LandmarkKeeper(known, codes, unlike, near.k, config)(near)
    expected = slowly(near, known, codes, unlike, config)
    np.testing.assert_array_equal(found.landmarks, expected.landmarks)
    np.testing.assert_array_equal(found.confidences, expected.confidences)


CONFIGS = st.builds(
    LandmarkConfig,
    per_landmark=st.sampled_from([1, 2, 2, 2, 3, 5, 16, 17]),
    keep=st.integers(1, 7),
    aggregate=st.sampled_from(["sum", "sum", "mean"]),
    non_landmark_weight=st.sampled_from([0.0, 0.4, 3.0]),
    best_bonus=st.sampled_from([0.0, 0.5]),
)


@settings(max_examples=400, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    width=st.sampled_from([1, 2, 7, 40, 150, 300]),
    num_known=st.sampled_from([1, 2, 10, 300]),
    levels=st.sampled_from([1, 2, 16, 10**3, 10**9]),
    # Far from and close to 1, beyond it by rounding of the rows, negative, and no cosines at all.
    span=st.sampled_from(
        [(0.2, 0.9), (0.9999, 1.0), (0.99, 1.001), (-1.0, 0.2), (-1.0, 1.0), (-9, 9)]
    ),
    missing=st.booleans(),
    config=CONFIGS,
)
def test_as_exact_sums_of_everything(seed, width, num_known, levels, span, missing, config):
    rng = np.random.default_rng(seed)
    world = random_world(rng, 9, width, 500, num_known, levels, *span, missing)
    known, codes, unlike, near = world
    assert_same(near, known, codes, unlike, config)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    gap=st.sampled_from([0.0, 1e-16, 1e-9, 1e-7, 2e-6, 6e-6, 1e-4]),
    config=CONFIGS,
)
def test_near_ties_are_decided_by_the_exact_values(seed, gap, config):
    """Scores so close that their rounded ones are equal, or stand the other way round."""
    rng = np.random.default_rng(seed)
    known, codes, unlike, near = random_world(rng, 6, 60, 200, 12, 4, 0.3, 0.9, False)
    scores = near.scores + gap * rng.integers(-3, 4, size=near.scores.shape)
    order = np.argsort(-scores, axis=1)
    near = Neighbors(
        np.take_along_axis(near.indices, order, axis=1), np.take_along_axis(scores, order, axis=1)
    )
    assert_same(near, known, codes, unlike + gap * rng.integers(-3, 4, size=200), config)


def counted_slow_images(monkeypatch):
    counts = []

    def slow(self, near, images, kept, original=LandmarkKeeper._keep_slowly):
        counts.append(len(images))
        original(self, near, images, kept)

    monkeypatch.setattr(LandmarkKeeper, "_keep_slowly", slow)
    return counts


def test_most_images_need_no_exact_sums_of_everything(monkeypatch):
    counts = counted_slow_images(monkeypatch)
    rng = np.random.default_rng(0)
    world = random_world(rng, 3000, 300, 20_000, 700, 10**9, 0.3, 0.9, False)
    known, codes, unlike, near = world
    assert_same(near, known, codes, unlike, LandmarkConfig())
    assert counts and sum(counts) < 60


@pytest.mark.parametrize(
    ("change", "slow"),
    [
        ({}, 0),
        ({"unlike": 1e9}, 50),  # rounded units would be too large
        ({"low": -9.0}, 50),  # no cosines
        ({"known": 2**30}, 50),  # landmarks do not fit
        ({"per_landmark": 17}, 50),  # rounding adds up
        ({"levels": 1}, 50),  # all neighbours equally far: who counts is not seen
    ],
)
def test_what_cannot_be_rounded_is_summed_exactly(monkeypatch, change, slow):
    counts = counted_slow_images(monkeypatch)
    rng = np.random.default_rng(0)
    levels, low = change.get("levels", 10**9), change.get("low", 0.3)
    known, codes, unlike, near = random_world(rng, 50, 40, 400, 5, levels, low, 0.9, False)
    if "unlike" in change:
        unlike = unlike + change["unlike"]
    if "known" in change:

        class Many(np.ndarray):
            """Says that there are more."""

        monkeypatch.setattr(kept_landmarks, "landmark_keys", lambda *given: None)
    config = dataclasses.replace(LandmarkConfig(), per_landmark=change.get("per_landmark", 2))
    assert_same(near, known, codes, unlike, config)
    assert sum(counts) == slow


def test_too_many_landmarks_or_neighbours_are_refused():
    codes, unlike = np.arange(3), np.ones(3)
    assert landmark_keys(codes, unlike, 0.4, 2**29, 300) is None
    assert landmark_keys(codes, unlike, 0.4, 2**29 - 1, 300) is not None
    assert landmark_keys(codes, unlike, 0.4, 3, 2**18 + 1) is None
    assert landmark_keys(codes, np.full(3, np.nan), 0.4, 3, 300) is None
    assert landmark_keys(codes, np.array([0, 0, 1e300]), 0.4, 3, 300) is None


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    k=st.sampled_from([1, 2, 3, 300, 5000]),
    landmark=st.sampled_from([1, 2000, 203_094, 2**29 - 1]),
    weight=st.sampled_from([0.0, 0.4, 2.0]),
    top=st.sampled_from([0.5, 1.0, 1.001, 3.25]),
)
def test_integers_hold_landmark_rounded_distance_and_place(seed, k, landmark, weight, top):
    rng = np.random.default_rng(seed)
    codes, unlike = rng.integers(landmark, size=50), rng.uniform(-1, 1, size=50)
    keys = landmark_keys(codes, unlike, weight, landmark, k)
    rows = rng.integers(-1, 50, size=(3, k))
    scores = np.where(rows < 0, -np.inf, rng.uniform(-1.25, top, size=(3, k)))
    order = np.argsort(-scores, axis=1)
    rows, scores = np.take_along_axis(rows, order, 1), np.take_along_axis(scores, order, 1)
    packed = np.empty((3, k), np.int64)
    assert keys.pack(rows, scores, packed, np.empty((3, k)))
    assert (np.diff(packed, axis=1) > 0).all()
    low = packed & ((1 << LANDMARK_SHIFT) - 1)
    assert (low < 1 << 31).all()
    places = low & keys.places
    assert (np.sort(places, axis=1) == np.arange(k)).all()
    rows, scores = np.take_along_axis(rows, places, 1), np.take_along_axis(scores, places, 1)
    marks = np.where(rows < 0, landmark, codes[rows])
    parity = np.arange(3)[:, None] % 2
    np.testing.assert_array_equal(packed >> LANDMARK_SHIFT, 2 * marks + parity)
    distances = non_landmark.penalized_distances(scores, unlike[rows], weight)
    rounded = 1 + ((low >> keys.place_bits) - keys.one / 2**keys.place_bits) * keys.unit
    there = rows >= 0
    assert (np.abs(rounded - distances)[there] <= keys.unit * (1 + 1e-6)).all()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 130), st.integers(1, 6), st.integers(1, 40))
def test_a_bound_that_k_values_reach(seed, width, k, levels):
    values = np.random.default_rng(seed).integers(levels, size=(4, width)).astype(np.float32)
    bound = likely_landmarks._kth_best(values, k)
    assert ((values >= bound[:, None]).sum(axis=1) >= min(k, width)).all()
