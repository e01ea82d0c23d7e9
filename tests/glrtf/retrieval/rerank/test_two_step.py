"""Re-ranking by predicted landmarks against a slow version over lists and dicts."""

import collections

import numpy as np
import pytest

from glrtf.retrieval.bridging.fusion import Ranking
from glrtf.retrieval.rerank import two_step
from glrtf.retrieval.rerank.two_step import ImagesOfLandmarks, Predicted
from glrtf.retrieval.search.neighbors import Neighbors


def slow_prediction(rows, similarities, landmarks, k):
    votes = collections.Counter()
    for row, similarity in list(zip(rows, similarities, strict=True))[:k]:
        if row >= 0:
            votes[landmarks[row]] += similarity
    if not votes:
        return -1, 0.0
    landmark, total = votes.most_common(1)[0]  # Of equal ones the first that was counted.
    return landmark, total / k


@pytest.mark.parametrize("k", [1, 3, 5])
def test_prediction(k, monkeypatch):
    monkeypatch.setattr(two_step, "_NUMBERS_AT_ONCE", 40)  # Several blocks.
    rng = np.random.default_rng(0)
    rows = rng.integers(30, size=(20, 6))
    # Quarters add up without rounding, so that sums tie.
    scores = np.sort(rng.integers(1, 5, size=(20, 6)) / 4, axis=1)[:, ::-1].copy()
    rows[3, 2:], scores[3, 2:] = -1, -np.inf
    rows[4], scores[4] = -1, -np.inf
    landmarks = rng.integers(4, size=30) + 70
    found = two_step.predicted(Neighbors(rows, scores), landmarks, k)
    for image in range(20):
        landmark, score = slow_prediction(rows[image], scores[image], landmarks, k)
        assert found.landmarks[image] == landmark
        assert found.scores[image] == pytest.approx(score)


def slow_reranking(ranked, landmark, score, index, id_ranks, threshold, insert, limit):
    """The published sort-step and insert-step, over lists."""
    right = [image for image in ranked if index.landmarks[image] == landmark]
    wrong = [image for image in ranked if index.landmarks[image] != landmark]
    added = []
    if insert:
        others = [i for i in range(len(index.landmarks)) if index.landmarks[i] == landmark]
        others = [i for i in others if i not in ranked and index.scores[i] + score > threshold]
        added = sorted(others, key=lambda i: (-index.scores[i], id_ranks[i]))
    return (right + added + wrong)[:limit]


@pytest.mark.parametrize("insert", [False, True])
def test_sort_and_insert(insert):
    rng = np.random.default_rng(1)
    count, limit = 60, 8
    index = Predicted(rng.integers(5, size=count), rng.integers(10, size=count) / 10)
    query = Predicted(rng.integers(5, size=12), rng.random(12))
    id_ranks = rng.permutation(count)
    images = np.stack([rng.permutation(count)[:limit] for _ in range(12)])
    images[2, 5:] = -1
    images[3] = -1
    evidence = rng.random((12, limit))
    marks = rng.integers(5, size=(12, limit))
    ranking = Ranking(images, evidence, evidence + 1, evidence + 2, marks)
    found = two_step.reranked(
        ranking, query, ImagesOfLandmarks(index, id_ranks), 0.9, insert=insert
    )
    for row in range(12):
        ranked = [one for one in images[row].tolist() if one >= 0]
        arguments = (query.landmarks[row], query.scores[row], index, id_ranks, 0.9, insert, limit)
        expected = slow_reranking(ranked, *arguments)
        assert [one for one in found.images[row].tolist() if one >= 0] == expected
        for place, image in enumerate(expected):
            before = np.flatnonzero(images[row] == image)
            if len(before):
                assert found.final[row, place] == evidence[row, before[0]]
                assert found.landmarks[row, place] == marks[row, before[0]]
            else:
                assert found.final[row, place] == found.direct[row, place] == 0
                assert found.landmarks[row, place] == query.landmarks[row]
    if insert:
        assert (found.images[3] >= 0).any()


def test_a_query_without_train_neighbours_keeps_its_ranking():
    ones = np.ones((1, 3))
    ranking = Ranking(np.array([[2, 0, -1]]), ones, ones, ones, np.full((1, 3), -1))
    index = Predicted(np.array([-1, 4, -1]), np.ones(3))
    images = ImagesOfLandmarks(index, np.arange(3))
    found = two_step.reranked(
        ranking, Predicted(np.array([-1]), np.zeros(1)), images, 0.0, insert=True
    )
    assert found.images.tolist() == [[2, 0, -1]]
