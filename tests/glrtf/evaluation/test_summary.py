import numpy as np
import pytest

from glrtf.evaluation import summary
from glrtf.evaluation.scoring import score_submission
from glrtf.evaluation.solutions import RecognitionSolution, RetrievalSolution
from glrtf.evaluation.submissions import Recognition
from tfrecords_tools.errors import UserError

SOLUTION = RetrievalSolution(
    relevant={
        "q1": frozenset("ab"),
        "q2": frozenset("a"),
        "q3": frozenset("cde"),
        "q4": frozenset("c"),
    },
    usage={"q1": "Public", "q2": "Private", "q3": "Private", "q4": "Public"},
)
PREDICTIONS = {"q2": ["x", "a"], "q3": ["d"], "q4": ["c", "d"]}


def test_golden_case_and_its_parts():
    measures = summary.retrieval_measures(
        score_submission(PREDICTIONS.items(), SOLUTION), resamples=100
    )
    assert measures["All"]["map@100"] == pytest.approx(0.458333, abs=1e-6)
    assert measures["Public"]["map@100"] == pytest.approx((0 + 1) / 2)
    assert measures["Private"]["map@100"] == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert measures["All"]["queries"] == 4
    assert measures["All"]["precision@1"] == 0.5
    assert measures["All"]["first_hit_rank_mean"] == 26.25
    assert measures["All"]["first_hit_rank_median"] == 1.5
    assert measures["All"]["queries_without_hit"] == 1
    low, high = measures["All"]["map@100_interval"]
    assert 0 <= low < 0.458333 < high <= 1


def test_a_part_without_queries_is_left_out():
    assert list(summary.parts(np.array(["Private"]))) == ["Private", "All"]


def test_paired_difference():
    before = score_submission(PREDICTIONS.items(), SOLUTION)
    after = score_submission((PREDICTIONS | {"q1": ["a", "b"], "q4": ["x", "c"]}).items(), SOLUTION)
    # q1 gains 1, q4 falls from 1 to 1/2: both are public.
    difference = summary.paired_difference(before, after, resamples=100)
    assert difference["Public"]["difference"] == pytest.approx(0.25)
    assert difference["Private"]["difference"] == 0
    assert (difference["All"]["better"], difference["All"]["worse"]) == (1, 1)
    assert difference["Private"]["interval"] == [0, 0]


# The golden case of the published recognition metric.
RECOGNITION = RecognitionSolution(
    landmarks={
        "01": frozenset({0, 12}),
        "02": frozenset({100, 200, 300}),
        "03": frozenset({1}),
        "04": frozenset(),
        "05": frozenset(),
    },
    usage=dict.fromkeys(["01", "02", "03", "04", "05"], "Private"),
)
RECOGNIZED = {
    "02": Recognition(0, 0.01),
    "03": Recognition(1, 10.0),
    "04": Recognition(150, 15.0),
}


def test_golden_recognition():
    measures = summary.recognition_measures(RECOGNIZED, RECOGNITION, name="s.csv")
    assert list(measures) == ["Private", "All"]
    # 04 (no landmark) comes first: the one right prediction stands second, 1/2 of 3 images.
    assert measures["All"]["gap"] == pytest.approx(1 / 2 / 3)
    assert measures["All"]["gap_landmarks_only"] == pytest.approx(1 / 3)
    assert measures["All"]["top1"] == pytest.approx(1 / 3)
    assert measures["All"]["images_with_landmark"] == 3


def test_recognition_of_an_unknown_image():
    with pytest.raises(UserError, match="image '99' is not in the solution"):
        summary.recognition_measures({"99": Recognition(1, 1.0)}, RECOGNITION, name="s.csv")
