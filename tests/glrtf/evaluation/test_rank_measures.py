"""Each measure of a ranking by hand, and against scikit-learn over whole rankings."""

import math

import numpy as np
import pytest

from glrtf.evaluation import rank_measures


def of(hits, relevant, ranks=(1, 2, 5)):
    found = rank_measures.measures([np.array(hits, np.int64)], np.array([relevant]), ranks)
    return {name: values[0] for name, values in found.items()}


def test_by_hand():
    """Hits at 2, 3 and 7 of four relevant images."""
    found = of([2, 3, 7], 4)
    assert found["map"] == pytest.approx((1 / 2 + 2 / 3 + 3 / 7) / 4)
    assert found["map@1"] == 0
    assert found["map@2"] == pytest.approx(1 / 2 / 2)
    assert found["map@5"] == pytest.approx((1 / 2 + 2 / 3) / 4)
    # Trapezoids: precision before and after each hit: 0, 1/2; 1/2, 2/3; 2/6, 3/7.
    assert found["map_trapezoid"] == pytest.approx((1 / 2 + 1 / 2 + 2 / 3 + 2 / 6 + 3 / 7) / 2 / 4)
    assert [found[f"recall@{k}"] for k in (1, 2, 5)] == [0, 1 / 4, 2 / 4]
    assert [found[f"hit@{k}"] for k in (1, 2, 5)] == [0, 1, 1]
    assert [found[f"precision@{k}"] for k in (1, 2, 5)] == [0, 1 / 2, 2 / 5]
    assert found["r_precision"] == 2 / 4
    assert found["mmp@5"] == 2 / 4
    assert found["mrr"] == 1 / 2

    def gain(rank):
        return 1 / math.log2(rank + 1)

    ideal = sum(gain(rank) for rank in (1, 2, 3, 4))
    assert found["ndcg"] == pytest.approx((gain(2) + gain(3) + gain(7)) / ideal)
    assert found["ndcg@2"] == pytest.approx(gain(2) / (gain(1) + gain(2)))
    assert found["ndcg@5"] == pytest.approx((gain(2) + gain(3)) / ideal)


def test_nothing_found():
    assert set(of([], 3).values()) == {0}


def test_all_first():
    """Of two relevant images no more than two count, so every measure but precision is 1."""
    found = of([1, 2], 2)
    assert found.pop("precision@5") == 2 / 5
    assert found.pop("recall@1") == 1 / 2
    assert set(found.values()) == {1}


def test_many_relevant_images():
    """mMP@5 looks at five of ten, and average precision at 5 may reach 1."""
    found = of([1, 2, 3, 4, 5], 10)
    assert found["mmp@5"] == found["map@5"] == found["ndcg@5"] == 1
    assert found["map"] == found["recall@5"] == 1 / 2


def test_against_scikit_learn():
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    for count, relevant in ((12, 1), (40, 7), (40, 40), (300, 120)):
        right = np.zeros(count, bool)
        right[rng.choice(count, relevant, replace=False)] = True
        scores = np.linspace(1, 0, count)
        found = of(np.flatnonzero(right) + 1, relevant, ranks=(1, 5, 10))
        assert found["map"] == pytest.approx(
            sklearn.average_precision_score(right, scores), abs=1e-12
        )
        for k, name in ((None, "ndcg"), (1, "ndcg@1"), (5, "ndcg@5"), (10, "ndcg@10")):
            expected = sklearn.ndcg_score([right], [scores], k=k)
            assert found[name] == pytest.approx(expected, abs=1e-12)
