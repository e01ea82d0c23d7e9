import numpy as np
import pytest

from glrtf.service.answers import Answer, LandmarkFound, PhotoFound
from glrtf.service.calibration import FEWEST, Calibration, Curve, fit


def test_the_curve_of_known_probabilities_is_found_again():
    """Of scores drawn from a curve the fit gives that curve, as far as 20,000 draws tell."""
    generator = np.random.default_rng(0)
    scores = generator.normal(1.5, 0.5, 20_000)
    true = Curve(4.0, -6.0, 3.0)
    right = generator.random(20_000) < [true(score) for score in scores]
    found = fit(scores, right)
    assert found.slope == pytest.approx(4.0, rel=0.05)
    assert found.score(0.5) == pytest.approx(1.5, abs=0.02)


def test_no_neighbouring_curve_is_likelier():
    generator = np.random.default_rng(1)
    scores = np.concatenate([generator.normal(1, 0.4, 60), generator.normal(1.6, 0.4, 40)])
    right = np.arange(100) >= 60
    targets = np.where(right, 41 / 42, 1 / 62)  # Platt's, of 40 right ones and 60 wrong ones

    def likelihood(slope, shift):
        chance = 1 / (1 + np.exp(-(slope * scores + shift)))
        return (targets * np.log(chance) + (1 - targets) * np.log(1 - chance)).sum()

    found = fit(scores, right)
    best = likelihood(found.slope, found.shift)
    for slope, shift in ((0.01, 0), (-0.01, 0), (0, 0.01), (0, -0.01)):
        assert likelihood(found.slope + slope, found.shift + shift) < best


def test_clean_separation_gives_no_step():
    scores = np.concatenate([np.linspace(0, 1, 20), np.linspace(2, 3, 20)])
    found = fit(scores, np.arange(40) >= 20)
    assert found(0.0) < 0.1 < 0.4 < found(1.5) < 0.6 < 0.9 < found(3.0) < 1
    assert found(1e9) == 1 and found(-1e9) == pytest.approx(0)


@pytest.mark.parametrize("case", ["few right", "few wrong", "falling", "constant"])
def test_where_nothing_is_known_there_is_no_curve(case):
    scores = np.linspace(0, 1, 60)
    right = {
        "few right": np.arange(60) >= 60 - FEWEST + 1,
        "few wrong": np.arange(60) >= FEWEST - 1,
        "falling": np.arange(60) < 30,
        "constant": np.arange(60) < 30,
    }[case]
    assert fit(scores * 0 if case == "constant" else scores, right) is None


def test_kept_as_json_and_nonsense_is_none():
    curves = Calibration(Curve(4.0, -6.0, 2.5), None, "40 photos")
    assert Calibration.from_json(curves.as_json()) == curves
    assert curves.of_landmark(1.5) == pytest.approx(0.5) and curves.of_photo(1.0) is None
    for nonsense in (
        None,
        [],
        {},
        {"landmark": 3, "photo": None, "source": ""},
        {"landmark": {"slope": 1, "shift": 0}, "photo": None, "source": ""},
        *(
            {"landmark": {"slope": 1, "shift": 0, "highest": 3} | odd, "photo": None, "source": ""}
            for odd in ({"slope": -1}, {"slope": "x"}, {"slope": float("nan")}, {"highest": None})
        ),
    ):
        assert Calibration.from_json(nonsense) is None


@pytest.mark.parametrize(
    ("highest", "text"),
    [
        # 1 / (1 + exp(-(4 s - 6))): 50 % at 1.5, 90 % at 1.5 + log(9) / 4 = 2.05.
        (2.5, "50 % at 1.50, 90 % at 2.05"),
        (2.0, "50 % at 1.50, at most 88 %"),  # 1 / (1 + exp(-2)) = 0.881
        (1.0, "at most 12 %"),  # 1 / (1 + exp(2)) = 0.119
    ],
)
def test_scores_that_no_answer_reached_are_not_named(highest, text):
    curves = Calibration(Curve(4.0, -6.0, highest), None, "40 photos")
    assert curves.as_line() == f"landmark {text} (by 40 photos)"


def test_the_highest_score_is_kept_with_the_curve():
    scores = np.concatenate([np.linspace(0, 1, 20), np.linspace(0.5, 3, 20)])
    assert fit(scores, np.arange(40) >= 20).highest == 3


def test_photos_are_judged_by_the_cube_root():
    assert Calibration(None, Curve(1.0, 0.0, 1.0), "").of_photo(0.125) == Curve(1.0, 0.0, 1.0)(0.5)


def answer(landmark, photo, name="Tower"):
    marks = (LandmarkFound(7, name, 1.76, landmark, ()),) if landmark != "none" else ()
    seen = PhotoFound("00000000000000ab", "", 1.0, photo, 0.9, 0.5, 7, ())
    return Answer(marks, (seen,))


@pytest.mark.parametrize(
    ("landmark", "photo", "verdict", "shown"),
    [
        (0.93, 0.2, "likely", "likely: Tower (93 %)"),
        (0.70, 0.2, "likely", "likely: Tower (70 %)"),
        (0.69, 0.2, "unsure", "unsure: perhaps Tower (69 %)"),
        (0.20, 0.1, "unknown", "unknown: nothing in the index is likely to match (perhaps Tower"),
        (0.20, 0.8, "likely", "likely: the first photo shows the same (80 %)"),
        (None, 0.4, "unsure", "unsure: the first photo may show the same (40 %)"),
        ("none", 0.8, "likely", "likely: the first photo shows the same (80 %)"),
    ],
)
def test_one_verdict_on_one_scale(landmark, photo, verdict, shown):
    given = answer(landmark, photo)
    assert given.verdict == verdict and given.as_json()["verdict"] == verdict
    assert given.as_lines()[0].strip().startswith(shown)


def test_weak_photos_are_marked():
    assert answer(0.9, 0.29).as_lines()[-1].endswith("00000000000000ab (weak)")
    assert answer(0.9, 0.3).as_lines()[-1].endswith("00000000000000ab")


def test_without_a_calibration_nothing_is_claimed():
    given = answer(None, None)
    assert given.verdict is None and given.as_json()["probability"] is None
    lines = "\n".join(given.as_lines())
    assert "%" not in lines and "weak" not in lines and "7 Tower (1.76)" in lines
