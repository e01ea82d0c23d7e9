import numpy as np
import pytest
import retrieval_files as rf

from glrtf.evaluation import results, solutions
from glrtf.reporting import gallery
from glrtf.reporting.gallery import QueryView


@pytest.fixture
def solution(source):
    return solutions.read_retrieval_solution(str(source / "metadata" / "solution.csv"))


def view(result, solution, number, **options):
    options = {"baseline": None, "max_ranks": 100, "max_missed": 10} | options
    return gallery.query_view(rf.QUERY_IDS[number], result, solution, **options)


def test_marks_scores_and_what_bridging_gains(retrieval, solution):
    first = view(results.read_result(str(retrieval)), solution, 0)
    assert [image.mark for image in first.images] == ["right", "wrong", "right"]
    assert [image.landmark_id for image in first.images] == [None, None, 7]
    assert first.images[2].bridged == pytest.approx(0.5)
    # Ranks 1 and 3 of three relevant: (1 + 2/3) / 3. By direct confidence alone b is
    # not found, and the rest stays: 1/3.
    assert first.average_precision == pytest.approx(5 / 9)
    assert first.baseline == pytest.approx(1 / 3)
    assert first.gain == pytest.approx(2 / 9)
    assert (first.first_hit, first.num_relevant, first.hits) == (1, 3, 2)
    assert first.missed == (rf.C,)


def test_bridges_that_decide_a_rank(retrieval, solution):
    result = results.read_result(str(retrieval))
    # b has no direct confidence; d is alone, and first with or without its bridge.
    assert [image.by_bridge for image in view(result, solution, 0).images] == [False, False, True]
    [only] = view(result, solution, 2).images
    assert only.landmark_id == 8 and not only.by_bridge


def test_a_bridge_that_lifts_an_image_over_another():
    rows = {"q": 0}
    ids = np.array([[b"a", b"b", b"c", b""]], "S16")
    direct = np.array([[0.4, 0.6, 0.3, 0]], np.float32)
    bridged = np.array([[0.9, 0.5, 0.2, 0]], np.float32)
    landmarks = np.array([[1, 2, 3, -1]])
    evidence = results.Evidence(rows, ids, direct + bridged, direct, bridged, landmarks)
    result = results.RetrievalResult({"q": ["a", "b", "c"]}, evidence, {})
    truth = solutions.RetrievalSolution({"q": frozenset("a")}, {"q": "Public"})
    options = {"baseline": None, "max_ranks": 100, "max_missed": 10}
    shown = gallery.query_view("q", result, truth, **options)
    # By direct confidence b, a, c: only a stands higher than there.
    assert [image.by_bridge for image in shown.images] == [True, False, False]


def test_query_without_landmark_is_ignored(retrieval, solution):
    ignored = view(results.read_result(str(retrieval)), solution, 3)
    assert ignored.usage == "Ignored"
    assert [image.mark for image in ignored.images] == ["ignored"]
    assert ignored.average_precision is ignored.gain is None
    assert ignored.top_score == pytest.approx(0.4**3)


def test_another_retrieval_as_baseline(retrieval, solution):
    result = results.read_result(str(retrieval))
    second = view(result, solution, 1, baseline={rf.QUERY_IDS[1]: [rf.C]})
    # c at rank 2 of three relevant: 1/6; the baseline has it at rank 1: 1/3.
    assert second.gain == pytest.approx(1 / 6 - 1 / 3)
    assert view(result, solution, 1, baseline={}).gain == pytest.approx(1 / 6)


def test_bare_submission(retrieval, solution):
    result = results.read_result(str(retrieval / "submission.csv"))
    bare = view(result, solution, 0)
    assert bare.average_precision == pytest.approx(5 / 9)
    assert bare.baseline is None
    assert bare.images[0].final is None


def test_repeated_image_is_ignored(solution):
    result = results.RetrievalResult({rf.QUERY_IDS[0]: [rf.A, rf.A, rf.B]}, None, {})
    marks = [image.mark for image in view(result, solution, 0).images]
    assert marks == ["right", "ignored", "right"]


def test_cut_ranks_still_count(retrieval, solution):
    short = view(results.read_result(str(retrieval)), solution, 0, max_ranks=1)
    assert len(short.images) == 1
    assert short.average_precision == pytest.approx(5 / 9)


def scored(name, precision, baseline):
    return QueryView(name, "Public", precision, baseline, 1, 1, 1, (), ())


def test_the_queries_worth_a_place():
    views = [scored(f"q{n}", n / 10, 0.5) for n in range(10)]
    views.append(QueryView("none", "Ignored", None, None, 0, 0, 0, (), ()))
    chosen = [v.query_id for v in gallery.choose_queries(views, 4)]
    # Worst q0, best and most helped q9, most hurt q0, surest without landmark, and by hash.
    assert {"q0", "q9", "none"} <= set(chosen)
    assert len(chosen) == 4
    assert gallery.choose_queries(views, 11) == views
