"""Rankings scored by tables of labels: leave-one-out, two tables, several labels."""

import numpy as np
import pytest

from glrtf.evaluation import label_score, relevance
from tfrecords_tools.errors import UserError

# a, b, c show a tower, d and e a bridge, f neither.
TOWER, BRIDGE = ("tower",), ("bridge",)
LABELS = {"a": TOWER, "b": TOWER, "c": TOWER, "d": BRIDGE, "e": BRIDGE, "f": ()}


def score(rankings, right):
    return label_score.score(rankings, right, ranks=(1, 2))


def values(scored, measure):
    return dict(zip(scored.query_ids, scored.values[measure].tolist(), strict=True))


def test_leave_one_out():
    """Every image is a query; its own place in its ranking does not count, nor does it."""
    rankings = {"a": ["a", "d", "b"], "d": ["e", "d"], "f": ["a"]}
    right = relevance.in_one_table(LABELS, rankings)
    scored = score(rankings, right)
    # a: hits of two at 2. d: its one at 1. f shows nothing and is not scored.
    assert scored.num_relevant.tolist() == [2, 1]
    assert values(scored, "map") == {"a": 1 / 2 / 2, "d": 1}
    assert scored.counts == {
        "missing": 0,
        "without_relevant": 1,
        "unknown_queries": 0,
        "repeats": 0,
        "unknown": 0,
    }
    # As GPR1200's own evaluation counts: a finds itself at 1 and b at 3 of three.
    kept = score(rankings, relevance.in_one_table(LABELS, rankings, own=True))
    assert values(kept, "map")["a"] == pytest.approx((1 + 2 / 3) / 3)


def test_queries_that_are_never_ranked_are_no_index_images():
    rankings = {"a": ["b", "e"], "d": ["b"]}
    right = relevance.in_one_table(LABELS, rankings)
    assert right.notes == (
        "no query is ranked: the index is taken to be the 4 labelled images that are no queries; "
        "--index names another",
    )
    scored = score(rankings, right)
    assert scored.num_relevant.tolist() == [2, 1]  # b and c; e.
    assert values(scored, "recall@1") == {"a": 1 / 2, "d": 0}
    named = relevance.in_one_table(LABELS, rankings, {"b", "d", "e", "x"})
    assert named.notes == ()
    assert score(rankings, named).num_relevant.tolist() == [1, 1]


def test_two_tables_repeats_and_strangers():
    queries = {"q": ("7",), "r": ("8",), "s": ("9",)}
    index = {"a": ("7",), "b": ("7", "8"), "c": ("8",)}
    rankings = {"q": ["a", "a", "b", "z"], "t": ["a"]}
    scored = score(rankings, relevance.by_labels(queries, index))
    assert scored.query_ids == ("q", "r")
    # The second a keeps its rank: b stands at 3.
    assert values(scored, "map") == {"q": pytest.approx((1 + 2 / 3) / 2), "r": 0}
    assert label_score.oddities(scored) == [
        "1 of 2 scored queries missing; a missing one scores 0",
        "1 queries without relevant images; they are not scored",
        "1 queries that the solution does not know; they are not scored",
        "1 predictions repeated; they are skipped and keep their rank",
        "1 ranked images are not in the index; they count as wrong",
    ]


def test_a_photo_of_two_objects_finds_both():
    queries = {"q": ("7", "8")}
    index = {"a": ("7",), "b": ("8",), "c": ("9",)}
    scored = score({"q": ["c", "a", "b"]}, relevance.by_labels(queries, index))
    assert scored.num_relevant.tolist() == [2]
    found = label_score.per_label(scored)
    assert list(found) == ["7", "8"]
    assert found["7"]["map"] == found["8"]["map"] == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_means_over_queries_and_over_labels():
    """Three queries of one label score 1, 1, 0, one of another 0."""
    queries = {"q": ("7",), "r": ("7",), "s": ("7",), "t": ("8",)}
    index = {"a": ("7",), "b": ("8",)}
    rankings = {"q": ["a"], "r": ["a"], "s": ["b"], "t": ["a"]}
    scored = score(rankings, relevance.by_labels(queries, index))
    found = label_score.summary(scored, resamples=200)
    assert found["All"]["queries"] == 4 and found["All"]["mrr"] == 1 / 2
    low, high = found["All"]["mrr_interval"]
    assert 0 <= low < 1 / 2 < high <= 1
    assert found["Labels"]["labels"] == 2
    assert found["Labels"]["mrr"] == pytest.approx((2 / 3 + 0) / 2)
    assert "mrr_interval" not in label_score.summary(scored, resamples=0)["All"]
    assert label_score.label_table(scored).splitlines()[1].startswith("7,3,0.666667,")
    assert label_score.query_table(scored).splitlines()[3].startswith("s,7,1,1,0.000000,")


def test_differences_are_paired():
    right = relevance.by_labels({"q": ("7",), "r": ("7",)}, {"a": ("7",), "b": ("8",)})
    first = score({"q": ["b", "a"], "r": ["a"]}, right)
    second = score({"r": ["a"], "q": ["a"]}, right)
    found = label_score.differences(first, second, resamples=100)["mrr"]
    assert found["difference"] == pytest.approx(1 / 4)
    assert 0 <= found["interval"][0] <= found["interval"][1] <= 1 / 2


def test_relevant_images_as_truth():
    right = relevance.Relevance({"q": frozenset(["a", "b"])}, {})
    scored = score({"q": ["b", "x", "a"]}, right)
    assert values(scored, "map") == {"q": pytest.approx((1 + 2 / 3) / 2)}
    assert set(label_score.summary(scored, resamples=0)) == {"All"}


@pytest.mark.parametrize(
    ("rankings", "message"),
    [
        ({"0012": ["a"]}, "expected queries that the solution knows, found none among 1 such as"),
        ({"f": ["a"]}, "expected queries with relevant images in the index, found none among 1"),
    ],
)
def test_nothing_to_score(rankings, message):
    with pytest.raises(UserError, match=message):
        score(rankings, relevance.in_one_table(LABELS, rankings))


def test_tables(tmp_path):
    def read(text):
        (tmp_path / "t.csv").write_text(text)
        return relevance.read_labels(str(tmp_path / "t.csv"))

    several = read("id,label\na,big tower\nb,\na,gate\n")
    assert several == {"a": ("big tower", "gate"), "b": ()}
    assert read("id,url,landmark_id\na,x,7\nb,y,7\n") == {"a": ("7",), "b": ("7",)}
    assert read("landmark_id,images\n7,a b\n8,c\n") == {"a": ("7",), "b": ("7",), "c": ("8",)}
    with pytest.raises(UserError, match=r"t.csv, line 3: a is repeated"):
        read("id,label\na,7\na,7\n")
    with pytest.raises(UserError, match=r"t.csv: expected labels of images, found none"):
        read("id,label\na,\n")
    (tmp_path / "r.csv").write_text("id,images\nq,a b\nr,\n")
    found = relevance.read_relevant_images(str(tmp_path / "r.csv"))
    assert found == {"q": {"a", "b"}, "r": frozenset()}


def test_as_map_at_100_of_the_competition():
    """The measure of a retrieval solution, for rankings of up to 100 images."""
    from glrtf.evaluation import metrics

    rng = np.random.default_rng(0)
    hits = rng.random((20, 100)) < 0.1
    relevant = hits.sum(axis=1) + rng.integers(1, 150, size=20)
    expected = metrics.average_precision(hits, relevant)
    from glrtf.evaluation import rank_measures

    ranks = [np.flatnonzero(row) + 1 for row in hits]
    found = rank_measures.measures(ranks, relevant, (100,))["map@100"]
    np.testing.assert_allclose(found, expected, atol=1e-12)
