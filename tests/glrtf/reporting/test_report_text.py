import numpy as np

from glrtf.evaluation.scoring import score_submission
from glrtf.evaluation.solutions import RetrievalSolution
from glrtf.reporting import report_text

PART = {
    "queries": 4,
    "map@100": 0.25,
    "map@100_interval": [0.125, 0.375],
    "precision@1": 0.5,
    "recall@100": 0.75,
    "queries_without_hit": 1,
}


def values(figures):
    return {figure.name: (figure.value, figure.note) for figure in figures}


def test_the_numbers_seen_first():
    shown = values(report_text.figures({"Public": PART, "Private": PART, "All": PART}, None, False))
    assert shown["mAP@100, all"] == ("0.2500", "4 queries, 95 % 0.125 to 0.375")
    assert shown["First image right"][0] == "50.0%"
    assert "Gain on the baseline" not in shown
    # With one part all is the same as that part, and is not said twice.
    gain = {"difference": 0.08333, "interval": [0.01, 0.15], "better": 52, "worse": 24}
    shown = values(report_text.figures({"Private": PART, "All": PART}, gain, True))
    assert "mAP@100, all" not in shown
    assert shown["Bridging gains"] == (
        "+0.0833",
        "mAP, 95 % +0.0100 to +0.1500; 52 queries better, 24 worse",
    )


def test_a_gain_whose_interval_holds_0_is_not_shown():
    gain = {"difference": 0.0129, "interval": [-0.002, 0.028], "better": 45, "worse": 32}
    shown = values(report_text.figures({"Private": PART, "All": PART}, gain, False))
    assert shown["Gain on the baseline"] == (
        "not shown",
        "mAP +0.0129, 95 % -0.0020 to +0.0280; 45 queries better, 32 worse: the interval holds 0",
    )


def test_parameters_by_their_dotted_names():
    info = {"a": {"b": {"c": 0.123456}, "d": [1, 2]}, "long": "x" * 200}
    rows = dict(report_text.parameter_rows(info))
    assert rows["a.b.c"] == "0.1235"
    assert rows["a.d"] == "[1, 2]"
    assert len(rows["long"]) == 120


def test_oddities_are_sentences():
    solution = RetrievalSolution(
        {"q1": frozenset("a"), "q2": frozenset("b")}, dict.fromkeys(("q1", "q2"), "Public")
    )
    scored = score_submission([("q1", ["a", "a"])], solution)
    assert report_text.oddities(scored, has_evidence=False) == [
        "1 of 2 scored queries missing; a missing one scores 0.",
        "1 predictions repeated; they are skipped and keep their rank.",
        "A bare submission carries no evidence: no scores, no bridges.",
    ]
    clean = score_submission([("q1", ["a"]), ("q2", ["b"])], solution)
    assert report_text.oddities(clean, has_evidence=True) == []
    assert np.all(clean.hits[:, 0])


def test_photos_that_are_missing():
    assert report_text.photo_notes(3, [], []) == []
    (note,) = report_text.photo_notes(3, ["a", "b", "c"], [])
    assert note.startswith("None of the 3 photos is in the source")
    missing, refused = report_text.photo_notes(3, ["a"], ["b (not a picture)"])
    assert missing.startswith("1 of 3 photos are not in the source")
    assert refused == "1 photos could not be decoded, such as b (not a picture)."


def test_what_a_query_is_compared_with():
    text = report_text.gallery_text(5, 5, "runs/other/", True)
    assert text.startswith("All 5 queries") and text.endswith("compared with that in other.")
    assert "ordered by direct confidence" in report_text.gallery_text(5, 9, None, True)
    assert "compared" not in report_text.gallery_text(5, 5, None, False)
