import numpy as np
import pytest

from glrtf.evaluation import summary
from glrtf.evaluation.ranking_score import RankingScorer
from glrtf.evaluation.scoring import score_submission
from glrtf.evaluation.solutions import RetrievalSolution
from tfrecords_tools.errors import UserError


def test_agrees_with_scoring_by_ids():
    generator = np.random.default_rng(0)
    index_ids = np.array([f"i{n:03}" for n in range(200)], "S16")
    query_ids = np.array([f"q{n}" for n in range(7)], "S16")
    relevant = {
        f"q{n}": frozenset(f"i{k:03}" for k in generator.choice(230, 40, replace=False))
        for n in (5, 0, 3)
    }
    solution = RetrievalSolution(relevant, dict.fromkeys(relevant, "Public"))
    images = np.stack([generator.permutation(200)[:100] for _ in query_ids])
    images[3, 60:] = -1
    scorer = RankingScorer(solution, query_ids, index_ids, "--query")
    np.testing.assert_array_equal(scorer.rows, [5, 0, 3])
    everyone = np.arange(3)
    submission = {
        f"q{row}": [index_ids[i].decode() for i in images[row] if i >= 0] for row in (5, 0, 3)
    }
    expected = summary.average_precisions(score_submission(submission.items(), solution))
    result = scorer.average_precisions(images[scorer.rows], everyone)
    np.testing.assert_allclose(result, expected)
    np.testing.assert_allclose(
        scorer.average_precisions(images[scorer.rows[[2]]], np.array([2])), expected[[2]]
    )


def test_queries_that_are_no_row():
    solution = RetrievalSolution({"a": frozenset("x"), "b": frozenset("x")}, {})
    scorer = RankingScorer(solution, np.array(["b"], "S16"), np.array(["y"], "S16"), "--query")
    assert scorer.missing == 1
    # The relevant image is not in the index: nothing can be found.
    np.testing.assert_array_equal(scorer.average_precisions(np.array([[0]]), np.array([0])), [0])
    with pytest.raises(UserError, match="--query: expected the solution's 2 scored queries"):
        RankingScorer(solution, np.array(["c"], "S16"), np.array(["y"], "S16"), "--query")
