"""Tests of GAP under resampling, against a slow version by its definition."""

import numpy as np
import pytest

from glrtf.evaluation import gap_intervals, summary
from glrtf.evaluation.gap_intervals import ScoredRecognition
from glrtf.evaluation.solutions import RecognitionSolution
from glrtf.evaluation.submissions import Recognition


def slow_gap(predictions, truth, drawn):
    """Σ precision at i × relevance of i over the ranked predictions / images with a landmark."""
    ranked = sorted(
        (image for image in drawn if image in predictions),
        key=lambda image: (-predictions[image].score, image),
    )
    total = 0.0
    for place, image in enumerate(ranked):
        if predictions[image].landmark_id in truth[image]:
            right = [predictions[one].landmark_id in truth[one] for one in ranked[: place + 1]]
            total += sum(right) / (place + 1)
    return total / sum(bool(truth[image]) for image in drawn)


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(2)
    ids = [f"image{number}" for number in rng.permutation(60)]
    truth = {one: frozenset(rng.integers(0, 5, rng.integers(0, 3)).tolist()) for one in ids}
    predictions = {
        one: Recognition(int(rng.integers(0, 5)), float(rng.integers(0, 20)) / 20)
        for one in ids
        if rng.random() < 0.8
    }
    usage = {one: "Public" if rng.random() < 0.3 else "Private" for one in ids}
    return truth, predictions, RecognitionSolution(truth, usage)


@pytest.mark.parametrize("seed", range(5))
def test_gap_of_a_draw(world, seed):
    truth, predictions, _ = world
    ids = sorted(truth)
    drawn = np.random.default_rng(seed).integers(0, len(ids), len(ids))
    scored = ScoredRecognition(predictions, truth)
    expected = slow_gap(predictions, truth, [ids[place] for place in drawn])
    assert scored.gap(np.bincount(drawn, minlength=len(ids))) == pytest.approx(expected, abs=1e-12)


def test_gap_of_all_is_that_of_evaluate(world):
    truth, predictions, solution = world
    measures = summary.recognition_measures(predictions, solution, name="s")
    for part, images in solution.parts().items():
        few = {one: each for one, each in predictions.items() if one in images}
        expected = slow_gap(few, images, list(images))
        assert measures[part]["gap"] == pytest.approx(expected, abs=1e-12)
        once = ScoredRecognition(predictions, images).gap(np.ones(len(images), np.int64))
        assert once == pytest.approx(expected, abs=1e-12)
    assert list(solution.parts()) == ["Public", "Private", "All"]
    assert set(truth) == set(solution.parts()["All"])


def test_intervals_hold_the_value(world):
    _, predictions, solution = world
    found = gap_intervals.intervals(predictions, solution, 200)
    measures = summary.recognition_measures(predictions, solution, name="s")
    for part, (low, high) in found.items():
        assert low < measures[part]["gap"] < high


def test_paired_difference_of_better_predictions(world):
    truth, predictions, solution = world
    better = {
        one: Recognition(min(landmarks), 1.0) for one, landmarks in truth.items() if landmarks
    }
    found = gap_intervals.paired_difference(predictions, better, solution, 100)
    before = summary.recognition_measures(predictions, solution, name="s")["All"]["gap"]
    assert found["All"]["difference"] == pytest.approx(1 - before)
    assert found["All"]["interval"][0] > 0
    same = gap_intervals.paired_difference(predictions, predictions, solution, 10)
    assert same["All"] == {"difference": 0.0, "interval": [0.0, 0.0]}


def test_a_draw_without_landmarks_counts_as_0():
    truth = {"a": frozenset(), "b": frozenset({1})}
    scored = ScoredRecognition({"a": Recognition(1, 0.5), "b": Recognition(1, 0.4)}, truth)
    assert scored.gap(np.array([2, 0])) == 0.0
    assert scored.gap(np.array([0, 2])) == 1.0
