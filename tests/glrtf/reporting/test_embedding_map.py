import sys

import numpy as np
import pytest

from glrtf.evaluation.solutions import RetrievalSolution
from glrtf.reporting import embedding_map
from tfrecords_tools.errors import UserError


def clusters(count=3, each=12, dimension=20):
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(count, dimension))
    marks = np.repeat(np.arange(count), each)
    return centres[marks] + 0.05 * generator.normal(size=(len(marks), dimension)), marks


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_clusters_stay_together(method):
    if method == "tsne":
        pytest.importorskip("sklearn")
    rows, marks = clusters()
    name, places = embedding_map.place(rows, method)
    assert name == {"pca": "PCA", "tsne": "t-SNE"}[method]
    assert places.min() == 0
    assert places.max() == 1000
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (marks[distances.argmin(axis=1)] == marks).all()


def test_places_do_not_depend_on_the_run():
    rows, _ = clusters()
    for method in ("pca", "auto"):
        first, second = (embedding_map.place(rows, method)[1] for _ in range(2))
        np.testing.assert_array_equal(first, second)


def test_pca_places_by_the_largest_spread():
    # Along the first axis the rows lie at 0, 1, 2, 4; across it nearly at one place.
    rows = np.array([[0, 0.0], [1, 0.1], [2, 0.0], [4, 0.1], [3, 0.05]])
    _, places = embedding_map.place(rows, "pca")
    np.testing.assert_allclose(places[:, 0] / 250, [0, 1, 2, 4, 3], atol=0.1)


def test_one_dimension_is_enough():
    _, places = embedding_map.place(np.arange(6.0)[:, None], "pca")
    assert places.shape == (6, 2)


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    rows, _ = clusters()
    assert embedding_map.place(rows, "auto")[0] == "PCA"
    with pytest.raises(UserError, match="--map tsne needs scikit-learn"):
        embedding_map.place(rows, "tsne")


def test_landmark_groups():
    solution = RetrievalSolution(
        {"q1": frozenset("ab"), "q2": frozenset("ab"), "q3": frozenset("c")}, {}
    )
    groups = embedding_map.landmark_groups(solution)
    assert groups["q1"] == groups["q2"] == groups["a"] == groups["b"]
    assert groups["q3"] == groups["c"] != groups["a"]


def test_points_that_matter_come_first():
    groups = {"q1": 0, "a": 0, "b": 0, "q2": 1, "c": 1}
    queries, index = embedding_map.choose_points(["q1"], ["x", "a", "y", "c", "b"], groups, 4)
    assert queries == ["q1"]
    # Two places are for the query's own landmark, the third for any other.
    assert set(index[:2]) == {"a", "b"}
    assert len(index) == 3
    many = [f"q{n}" for n in range(10)]
    assert len(embedding_map.choose_points(many, ["a"], groups, 8)[0]) == 4
