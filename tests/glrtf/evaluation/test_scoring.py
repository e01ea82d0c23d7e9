import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glrtf.evaluation.scoring import hit_ranks, score_submission
from glrtf.evaluation.solutions import RetrievalSolution
from tfrecords_tools.errors import UserError

SOLUTION = RetrievalSolution(
    relevant={"q1": frozenset("ab"), "q2": frozenset("a"), "q3": frozenset("cde")},
    usage={"q1": "Public", "q2": "Private", "q3": "Private", "q4": "Ignored"},
)


def slow_hit_ranks(predictions, relevant):
    return [
        rank
        for rank, image_id in enumerate(predictions)
        if image_id in relevant and image_id not in predictions[:rank]
    ]


@settings(deadline=None)
@given(st.lists(st.sampled_from("abcdefgh"), max_size=12), st.frozensets(st.sampled_from("abcd")))
def test_hit_ranks_follow_the_definition(predictions, relevant):
    assert hit_ranks(predictions, relevant) == slow_hit_ranks(predictions, relevant)


def test_marks_and_counts():
    submission = [
        ("q3", ["x", "c", "c", "d"]),
        ("q4", ["a"]),
        ("q1", ["b", "y", "a", "z", "z", "a"]),
    ]
    result = score_submission(submission, SOLUTION, max_predictions=4)
    # q1 is cut after z; q2 is missing; q3's second c is repeated, so d keeps rank 4.
    np.testing.assert_array_equal(
        result.hits,
        [[True, False, True, False], [False] * 4, [False, True, False, True]],
    )
    assert result.query_ids == ("q1", "q2", "q3")
    assert list(result.usage) == ["Public", "Private", "Private"]
    np.testing.assert_array_equal(result.num_relevant, [2, 1, 3])
    np.testing.assert_array_equal(result.num_predictions, [4, 0, 4])
    assert (result.missing, result.cut, result.repeats, result.ignored) == (1, 1, 1, 1)


def test_no_hit_at_all():
    assert not score_submission([("q1", ["x"])], SOLUTION).hits.any()


def test_unknown_query():
    with pytest.raises(UserError, match=r"s\.csv: query 'q9' is not in the solution"):
        score_submission([("q1", ["a"]), ("q9", ["a"])], SOLUTION, name="s.csv")


def test_no_shared_query():
    with pytest.raises(UserError, match="belong to different test sets"):
        score_submission([("other", ["a"])], SOLUTION)
    with pytest.raises(UserError, match="found none of them and 1 ignored ones"):
        score_submission([("q4", ["a"])], SOLUTION)
