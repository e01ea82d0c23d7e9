"""Verification: what the function gets, the order, and what is not scored twice."""

import numpy as np
import pytest

from glrtf.retrieval.bridging.fusion import Ranking
from glrtf.retrieval.rerank.pair_scores import PairScores
from glrtf.retrieval.rerank.verification import Verification, Verifier
from tfrecords_tools.errors import UserError

QUERIES = np.array([b"q0", b"q1", b"q2"])
INDEX = np.array([b"a", b"b", b"c", b"d", b"e"])


def ranking_of(images):
    images = np.array(images)
    evidence = np.arange(images.size, dtype=float).reshape(images.shape)
    return Ranking(images, evidence, evidence, evidence, np.full(images.shape, -1))


class Counting:
    """A verifier's function that remembers what it was called with."""

    def __init__(self, scores):
        self.scores = scores
        self.calls = []

    def __call__(self, query_id, ids):
        self.calls.append((query_id, list(ids)))
        return [self.scores.get((query_id, one), 0) for one in ids]


def verified(tmp_path, function, images, queries=(0, 1, 2), top=3, key="k"):
    known = PairScores(str(tmp_path), {"key": key})
    verification = Verification(Verifier("f", function, "", top), known, QUERIES, INDEX)
    found = verification.reranked(ranking_of(images), np.array(queries))
    return found, verification


def test_the_first_images_are_ordered_by_score_and_ties_stay(tmp_path):
    function = Counting({("q0", "c"): 7, ("q0", "d"): 9, ("q1", "e"): -1})
    images = [[0, 1, 2, 3], [4, 0, -1, -1], [-1, -1, -1, -1]]
    found, _ = verified(tmp_path, function, images)
    # d stands beyond the first three and is not scored; a and b tie.
    assert found.images.tolist() == [[2, 0, 1, 3], [0, 4, -1, -1], [-1, -1, -1, -1]]
    assert found.final.tolist() == [[2, 0, 1, 3], [5, 4, 6, 7], [8, 9, 10, 11]]
    assert function.calls == [("q0", ["a", "b", "c"]), ("q1", ["e", "a"])]


def test_no_pair_is_scored_twice(tmp_path):
    scores = {("q0", "c"): 7, ("q0", "d"): 9}
    verified(tmp_path, Counting(scores), [[0, 1, 2]], queries=[0])
    function = Counting(scores)
    found, verification = verified(tmp_path, function, [[3, 1, 0], [0, 1, 2]], queries=[0, 2])
    assert function.calls == [("q0", ["d"]), ("q2", ["a", "b", "c"])]
    assert found.images.tolist() == [[3, 1, 0], [0, 1, 2]]
    assert verification.saved >= 0
    other = Counting(scores)
    verified(tmp_path, other, [[0, 1, 2]], queries=[0], key="other")
    assert other.calls == [("q0", ["a", "b", "c"])]


def test_what_was_scored_before_a_failure_is_kept(tmp_path):
    def failing(query_id, ids):
        if query_id == "q1":
            raise OSError("no such photo")
        return [1, 2, 3]

    with pytest.raises(UserError, match=r"^f: failed for query q1 and 2 images \(OSError: no such"):
        verified(tmp_path, failing, [[0, 1, 2], [3, 4, -1]], queries=[0, 1])
    function = Counting({})
    verified(tmp_path, function, [[0, 1, 2], [3, 4, -1]], queries=[0, 1])
    assert function.calls == [("q1", ["d", "e"])]


@pytest.mark.parametrize("scores", [[1, 2], [1, 2, float("nan")], None, ["a", "b", "c"], 3])
def test_other_than_a_number_an_image_is_an_error(tmp_path, scores):
    with pytest.raises(UserError, match=r"^f: expected 3 finite numbers for query q0, found "):
        verified(tmp_path, lambda query_id, ids: scores, [[0, 1, 2]], queries=[0])


def test_a_damaged_file_is_scored_again(tmp_path, capsys):
    verified(tmp_path, Counting({}), [[0, 1, 2]], queries=[0])
    [path] = tmp_path.rglob("*.npz")
    path.write_bytes(path.read_bytes()[:-40])
    function = Counting({})
    verified(tmp_path, function, [[0, 1, 2]], queries=[0])
    assert function.calls == [("q0", ["a", "b", "c"])]
    assert f"note: {path}: " in capsys.readouterr().err


def test_scores_are_written_while_it_runs(tmp_path, monkeypatch):
    """At once where a second is over for the clock; another process reads them."""
    clock = iter(range(0, 10_000, 100))
    monkeypatch.setattr("glrtf.retrieval.rerank.pair_scores.time.monotonic", lambda: next(clock))
    known = PairScores(str(tmp_path), {})
    with known:
        known.add(np.array([4, 9]), np.array([0.5, 2.0]), 3.0)
        again = PairScores(str(tmp_path), {})
    assert again.contains(np.array([9, 5, 4, 10])).tolist() == [True, False, True, False]
    assert again.scores(np.array([9, 4])).tolist() == [2.0, 0.5]
    # Two scores took 3 seconds.
    assert again.seconds_of(4) == 6.0
