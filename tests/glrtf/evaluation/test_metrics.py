import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glrtf.evaluation import metrics

# Four queries with 2, 1, 3 and 1 relevant images: no prediction; wrong, right;
# right; wrong, right... as in the solution {q1: [a, b], q2: [a], q3: [c, d, e],
# q4: [c]} and the predictions {q2: [x, a], q3: [d], q4: [c, d]}.
HITS = np.zeros((4, 100), bool)
HITS[1, 1] = HITS[2, 0] = HITS[3, 0] = True
NUM_RELEVANT = np.array([2, 1, 3, 1])


def slow_average_precision(hits, num_relevant, k):
    """The definition, term by term."""
    total = 0.0
    for rank in range(1, min(k, len(hits)) + 1):
        if hits[rank - 1]:
            total += sum(hits[:rank]) / rank
    return total / min(num_relevant, k)


def test_golden_average_precisions():
    # q2: (1/2)/1; q3: (1/1)/3; q4: (1/1)/1. Mean of 0, 1/2, 1/3, 1 = 0.458333.
    result = metrics.average_precision(HITS, NUM_RELEVANT)
    np.testing.assert_allclose(result, [0, 1 / 2, 1 / 3, 1])
    assert result.mean() == pytest.approx(0.458333, abs=1e-6)


def test_golden_with_one_prediction_kept():
    # Of 1 prediction at most 1 image can be right: 0, 0, 1/1, 1/1.
    assert metrics.average_precision(HITS, NUM_RELEVANT, 1).mean() == 0.5


def test_more_relevant_images_than_ranks_divides_by_the_ranks():
    hits = np.ones((1, 100), bool)
    assert metrics.average_precision(hits, np.array([250])) == pytest.approx(1.0)


def test_short_ranking_is_divided_by_k_not_by_its_length():
    hits = np.array([[True, False]])
    np.testing.assert_allclose(metrics.average_precision(hits, np.array([5]), 100), [1 / 5])


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=30), st.integers(0, 40), st.integers(1, 40))
def test_average_precision_follows_the_definition(row, more, k):
    num_relevant = max(sum(row) + more, 1)
    result = metrics.average_precision(np.array([row]), np.array([num_relevant]), k)
    assert result[0] == pytest.approx(slow_average_precision(row, num_relevant, k))
    assert 0 <= result[0] <= 1 + 1e-12


def test_golden_precisions():
    # At 1: q3 and q4 of four. At 2: (0 + 1/2 + 1/2 + 1/2) / 4.
    assert metrics.precision_at(HITS, 1).mean() == 0.5
    assert metrics.precision_at(HITS, 2).mean() == 0.375


def test_recall():
    # 0 of 2, 0 of 1, 1 of 3, 1 of 1 at rank 1; q2's image comes at rank 2.
    np.testing.assert_allclose(metrics.recall_at(HITS, NUM_RELEVANT, 1), [0, 0, 1 / 3, 1])
    np.testing.assert_allclose(metrics.recall_at(HITS, NUM_RELEVANT, 2), [0, 1, 1 / 3, 1])


def test_golden_first_hit_ranks():
    # The query without hit counts as rank 101: mean (101 + 2 + 1 + 1) / 4.
    first = metrics.first_hit_rank(HITS)
    np.testing.assert_array_equal(first, [101, 2, 1, 1])
    assert first.mean() == 26.25
    assert np.median(first) == 1.5
    # Of one prediction kept: 2, 2, 1, 1.
    assert metrics.first_hit_rank(HITS[:, :1]).mean() == 1.5


def test_first_hit_rank_of_no_predictions():
    np.testing.assert_array_equal(metrics.first_hit_rank(np.zeros((2, 0), bool)), [1, 1])


def test_global_average_precision_by_hand():
    # By score: right (1/1), wrong, right (2/3); four images have a landmark.
    correct = np.array([True, False, True])
    scores = np.array([0.9, 0.5, 0.1])
    assert metrics.global_average_precision(correct, scores, 4) == pytest.approx(5 / 3 / 4)


def test_global_average_precision_keeps_the_order_of_equal_scores():
    # wrong, right: the right one stands second, 1/2; the other way round 1/1.
    equal = np.zeros(2)
    assert metrics.global_average_precision(np.array([False, True]), equal, 1) == 0.5
    assert metrics.global_average_precision(np.array([True, False]), equal, 1) == 1.0


def test_global_average_precision_without_predictions():
    assert metrics.global_average_precision(np.zeros(0, bool), np.zeros(0), 3) == 0.0
