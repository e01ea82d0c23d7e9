"""Landmark confidence, bridging and fusion against loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glrtf.retrieval.bridging import bridge, fusion, landmark_confidence, non_landmark
from glrtf.retrieval.bridging.landmark_confidence import LandmarkConfidences
from glrtf.retrieval.search.neighbors import Neighbors


def slow_confidences(codes, distances, known, per_landmark, bonus, keep, mean):
    result = []
    for row, line in zip(codes, distances, strict=True):
        confidence = {}
        for code in set(row) - {-1}:
            near = sorted(d for c, d in zip(row, line, strict=True) if c == code)[:per_landmark]
            total = sum(1 - d for d in near)
            confidence[int(known[code])] = total / len(near) if mean else total
        best = sorted(confidence.items(), key=lambda item: (-item[1], item[0]))[:keep]
        result.append([(mark, c + bonus * (place == 0)) for place, (mark, c) in enumerate(best)])
    return result


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    width=st.integers(1, 12),
    num_known=st.integers(1, 6),
    levels=st.sampled_from([2, 5, 10**9]),
    per_landmark=st.integers(1, 4),
    keep=st.integers(1, 7),
    mean=st.booleans(),
)
def test_landmark_confidences(seed, width, num_known, levels, per_landmark, keep, mean):
    rng = np.random.default_rng(seed)
    known = np.sort(rng.choice(10**6, num_known, replace=False))
    codes = rng.integers(-1, num_known, size=(5, width))
    # Few levels make ties; binary fractions make their sums exact.
    distances = rng.integers(0, levels, size=codes.shape) / 2.0**30
    found = landmark_confidence.landmark_confidences(
        codes,
        np.where(codes < 0, np.inf, distances),
        known,
        per_landmark=per_landmark,
        best_bonus=0.5,
        keep=keep,
        mean=mean,
    )
    expected = slow_confidences(codes, distances, known, per_landmark, 0.5, keep, mean)
    assert found.landmarks.shape == found.confidences.shape == (5, keep)
    for row, best in enumerate(expected):
        assert found.landmarks[row, : len(best)].tolist() == [mark for mark, _ in best]
        np.testing.assert_allclose(found.confidences[row, : len(best)], [c for _, c in best])
        assert (found.landmarks[row, len(best) :] == -1).all()
        assert np.isneginf(found.confidences[row, len(best) :]).all()


def test_grouping_sees_distances_that_rounding_would_merge():
    distances = np.array([[1.0 + 3e-16, 1.0, 0.0, 1.0 - 3e-16]])
    codes, nearest = landmark_confidence.group_by_code(np.array([[1, 1, 0, 1]]), distances, 2)
    assert codes.tolist() == [[0, 1, 1, 1]]
    assert nearest.tolist() == [[0.0, *sorted(distances[0, [0, 1, 3]])]]


def test_very_many_codes_are_grouped_without_packing():
    codes, nearest = landmark_confidence.group_by_code(
        np.array([[2**40, 3, 2**40]]), np.array([[0.5, 0.2, 0.1]]), 2**41
    )
    assert codes.tolist() == [[3, 2**40, 2**40]] and nearest.tolist() == [[0.2, 0.1, 0.5]]


def random_landmarks(rng, images, keep, num_landmarks, levels):
    marks = np.stack([rng.permutation(num_landmarks)[:keep] for _ in range(images)])
    confidence = np.sort(rng.integers(1, levels, size=(images, keep)) / 8.0, axis=1)[:, ::-1]
    empty = np.arange(keep) >= rng.integers(0, keep + 1, size=images)[:, None]
    return LandmarkConfidences(
        np.where(empty, -1, marks).astype(np.int64), np.where(empty, -np.inf, confidence)
    )


def slow_ranking(query, index, near, direct, ids, divisor, confident_first, limit):
    """Every pair, every landmark, then one sort."""
    ranked = []
    for q in range(len(query.landmarks)):
        entries = []
        for i in range(len(index.landmarks)):
            shared = [
                (min(c, d), d, -mark)
                for mark, c in zip(query.landmarks[q], query.confidences[q], strict=True)
                for other, d in zip(index.landmarks[i], index.confidences[i], strict=True)
                if mark == other != -1
            ]
            bridged, own, mark = max(shared, default=(0.0, -np.inf, 1))
            d = dict(zip(near.indices[q], direct[q], strict=True)).get(i)
            if d is None and not shared:
                continue
            b = bridged / divisor if shared else 0.0
            f = (d or 0.0) ** 3 + b**3
            tie = (-own,) if confident_first else ()
            entries.append((-f, -b, *tie, ids[i], i, d or 0.0, -mark))
        ranked.append(sorted(entries)[:limit])
    return ranked


@pytest.mark.parametrize("confident_first", [False, True])
@pytest.mark.parametrize("levels", [2, 4, 40])
@pytest.mark.parametrize(("images", "limit", "k"), [(60, 5, 3), (60, 100, 10), (7, 10, 7)])
def test_fusion_finds_the_best_of_all_pairs(images, limit, k, levels, confident_first):
    rng = np.random.default_rng(images + limit + levels)
    query = random_landmarks(rng, 25, 3, 4, levels)
    index = random_landmarks(rng, images, 2, 4, levels)
    ids = rng.permutation(images)
    near = Neighbors(
        np.stack([rng.permutation(images)[:k] for _ in range(25)]),
        np.sort(rng.integers(0, 9, size=(25, k)) / 8, axis=1)[:, ::-1],
    )
    lists = bridge.list_by_landmark(index, ids)
    found = fusion.fuse(
        near,
        near.scores,
        bridge.bridges_of_pairs(query, lists, near.indices),
        bridge.best_bridges(query, lists, limit + k, confident_first),
        ids,
        divisor=3.0,
        direct_power=3.0,
        bridge_power=3.0,
        confident_first=confident_first,
        limit=limit,
    )
    expected = slow_ranking(query, index, near, near.scores, ids, 3.0, confident_first, limit)
    for row, entries in enumerate(expected):
        count = len(entries)
        assert found.images[row, :count].tolist() == [entry[-3] for entry in entries]
        np.testing.assert_allclose(found.final[row, :count], [-entry[0] for entry in entries])
        np.testing.assert_allclose(found.bridged[row, :count], [-entry[1] for entry in entries])
        np.testing.assert_array_equal(found.direct[row, :count], [entry[-2] for entry in entries])
        assert found.landmarks[row, :count].tolist() == [entry[-1] for entry in entries]
        assert (found.images[row, count:] == -1).all() and (found.final[row, count:] == 0).all()


def test_a_landmark_of_very_many_images_costs_only_its_head():
    """Fifty thousand images of one landmark: what is handed on stays at the limit."""
    rng = np.random.default_rng(0)
    images = 50_000
    confidence = rng.random(images)
    index = LandmarkConfidences(np.zeros((images, 1), np.int64), confidence[:, None])
    ids = rng.permutation(images)
    query = LandmarkConfidences(np.zeros((40, 1), np.int64), rng.random((40, 1)))
    lists = bridge.list_by_landmark(index, ids)
    found = bridge.best_bridges(query, lists, 200, confident_first=False)
    assert len(found.images) == 40 * 200
    for row in range(40):
        bridged = np.minimum(confidence, query.confidences[row, 0])
        expected = np.lexsort((ids, -bridged))[:200]
        assert sorted(found.images[found.queries == row]) == sorted(expected)


def test_penalised_distances_by_hand():
    # |1 - 0.75| - 0.4·(1 - 0.5) = 0.25 - 0.2
    found = non_landmark.penalized_distances(np.array([0.75]), np.array([0.5]), 0.4)
    np.testing.assert_allclose(found, [0.05])


def test_non_landmark_confidence_is_the_mean_over_those_there():
    near = Neighbors(
        np.array([[3, 1, 0], [2, -1, -1]]), np.array([[0.9, 0.6, 0.3], [0.5, -np.inf, -np.inf]])
    )
    np.testing.assert_allclose(non_landmark.confidences(near), [0.6, 0.5])
