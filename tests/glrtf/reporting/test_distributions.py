import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import retrieval_files as rf

from glrtf.evaluation.results import read_result
from glrtf.evaluation.scoring import score_submission
from glrtf.evaluation.solutions import RetrievalSolution, read_retrieval_solution
from glrtf.reporting import distributions


def texts(chart):
    return [node.text for node in ElementTree.fromstring(chart.svg).iter("text")]


def heights(chart):
    """The bars' heights by their title's first two words."""
    result = {}
    for node in ElementTree.fromstring(chart.svg).iter("rect"):
        title = node.find("title")
        if title is not None:
            name, _, value = title.text.partition(": ")
            result.setdefault(name, []).append(float(value.split()[0]))
    return result


@pytest.fixture
def material(retrieval, source):
    result = read_result(str(retrieval))
    solution = read_retrieval_solution(str(source / "metadata" / "solution.csv"))
    return score_submission(result.rankings.items(), solution), result.evidence


def test_class_sizes_are_bucketed_by_doubling():
    relevant = {f"q{n}": frozenset(f"i{k}" for k in range(n)) for n in (1, 2, 3, 4, 5, 8)}
    solution = RetrievalSolution(relevant, dict.fromkeys(relevant, "Public"))
    chart = distributions.class_size_chart(score_submission([("q1", ["i0"])], solution))
    names = [text for text in texts(chart) if "(n" in text]
    assert names == ["1 (n = 1)", "2 (n = 1)", "3 to 4 (n = 2)", "5 to 8 (n = 2)"]


def test_relevant_counts(material):
    scored, _ = material
    # q1 and q2 have three right answers, q3 one.
    assert heights(distributions.relevant_chart(scored)) == {"queries": [1, 0, 2]}


def test_confidences_of_right_and_wrong_images(material):
    direct, bridged = distributions.confidence_charts(*material)
    assert (direct.title, bridged.title) == ("Direct confidence", "Bridged confidence")
    # Direct: right are 0.9, 0.2 and 0.5, wrong are 0.6 and 0.7; b has none.
    shares = heights(direct)
    assert sum(shares["right"]) == pytest.approx(1, abs=1e-4)
    assert sorted(share for share in shares["wrong"] if share) == [0.5, 0.5]
    # Bridged: 0.5 and 0.6 alone, both right.
    assert sum(heights(bridged)["wrong"]) == 0


def test_no_confidence_no_chart(material):
    scored, evidence = material
    evidence.bridged[:] = 0
    assert [c.title for c in distributions.confidence_charts(scored, evidence)] == [
        "Direct confidence"
    ]


def test_first_scores_with_and_without_landmark(material):
    scored, evidence = material
    chart = distributions.landmark_chart(scored, evidence, [rf.QUERY_IDS[3]])
    assert max(heights(chart)["none"]) == 1
    assert distributions.landmark_chart(scored, evidence, []) is None


def test_equal_values_can_be_drawn(material):
    scored, evidence = material
    evidence.direct[:] = np.where(evidence.direct > 0, 0.5, 0)
    assert distributions.confidence_charts(scored, evidence)
