import numpy as np
import pytest

from glrtf.evaluation.solutions import RetrievalSolution
from glrtf.tuning.query_split import split_queries
from tfrecords_tools.errors import UserError


def solution(groups, each):
    relevant = {f"q{g}-{n}": frozenset({f"i{g}"}) for g in range(groups) for n in range(each)}
    return RetrievalSolution(relevant, {})


def test_landmarks_are_not_split_and_nothing_is_lost():
    truth = solution(20, 5)
    query_ids = list(truth.relevant)
    tune, holdout = split_queries(query_ids, truth, 0.3)
    assert sorted([*tune, *holdout]) == list(range(100))
    landmark = np.arange(100) // 5
    assert not set(landmark[tune]) & set(landmark[holdout])
    assert 25 <= len(holdout) <= 35


def test_the_order_of_the_queries_does_not_matter():
    truth = solution(9, 2)
    forward = list(truth.relevant)
    kept = {forward[place] for place in split_queries(forward, truth, 0.5)[1]}
    assert {forward[::-1][place] for place in split_queries(forward[::-1], truth, 0.5)[1]} == kept


@pytest.mark.parametrize("holdout", [0.01, 0.5, 0.99])
def test_neither_side_is_empty(holdout):
    truth = solution(2, 3)
    tune, kept = split_queries(list(truth.relevant), truth, holdout)
    assert len(tune) == len(kept) == 3


def test_one_landmark_cannot_be_split():
    truth = solution(1, 4)
    with pytest.raises(UserError, match="two landmarks or more"):
        split_queries(list(truth.relevant), truth, 0.5)
