"""SuperGlobal's refinement against its formulas, one number at a time."""

import numpy as np
import pytest

from glrtf.embeddings.rows import normalized
from glrtf.retrieval.rerank import superglobal
from glrtf.retrieval.search.neighbors import Neighbors


def clustered(count, dimension=6, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(4, dimension))
    return normalized(centres[rng.integers(4, size=count)] + 0.5 * rng.normal(size=(count, 6)))


def slow_scores(query, images, k, beta):
    count = len(images)

    def refined(d):
        others = [i for i in range(count) if i != d]
        nearest = sorted(others, key=lambda i: -(images[d] @ images[i]))[:k]
        weights = [beta * max(images[d] @ images[i], 0) for i in nearest]
        total = images[d] + sum(w * images[i] for w, i in zip(weights, nearest, strict=True))
        return total / (1 + sum(weights))

    rows = [refined(d) for d in range(count)]
    first = [query @ row for row in rows]
    top = sorted(range(count), key=lambda d: -first[d])[: k + 1]
    expanded = [max(rows[d][place] for d in top) for place in range(images.shape[1])]
    return [(one + np.dot(expanded, row)) / 2 for one, row in zip(first, rows, strict=True)]


@pytest.mark.parametrize(("k", "beta"), [(3, 0.15), (9, 0.5), (1, 0.0), (40, 0.15)])
def test_scores(k, beta):
    images, query = clustered(25), clustered(1, seed=1)[0]
    expected = slow_scores(query, images, k, beta)
    np.testing.assert_allclose(superglobal.scores(query, images, k, beta), expected, atol=1e-11)


def test_one_image_is_only_compared():
    """Nothing refines it: S1 = q·d, S2 = d·d = 1."""
    images, query = clustered(1), clustered(1, seed=1)[0]
    found = superglobal.scores(query, images, 9, 0.15)
    np.testing.assert_allclose(found, [(query @ images[0] + 1) / 2], atol=1e-11)


def test_equal_rows_tie():
    images = clustered(30)
    images[[4, 11, 29]] = images[0]
    found = superglobal.scores(clustered(1, seed=1)[0], images, 9, 0.15)
    assert found[0] == found[4] == found[11] == found[29]


def test_order_and_confidences():
    """Images 5, 6, 7 are refined; 8 was the fourth nearest."""
    near = Neighbors(np.array([[5, 6, 7, 8]]), np.array([[0.8, 0.7, 0.6, 0.5]]))
    found, confidences = superglobal.reranked(near, np.array([[0.2, 0.4, -0.1]]), 4)
    assert found.indices.tolist() == [[6, 5, 7, 8]]
    # 0.4 stands for the largest similarity, 0.8; below 0 is 0, and so is what comes after.
    np.testing.assert_allclose(confidences, [[0.8, 0.4, 0, 0]])
    found, confidences = superglobal.reranked(near, np.array([[0.2, 0.4]]), 3)
    assert found.indices.tolist() == [[6, 5, 7]]
    np.testing.assert_allclose(confidences, [[0.8, 0.4, 0.4 * 0.6]])


def test_missing_neighbours_stay_missing():
    near = Neighbors(np.array([[5, 6, -1]]), np.array([[0.8, 0.7, -np.inf]]))
    found, confidences = superglobal.reranked(near, np.array([[0.2, 0.4, -np.inf]]), 3)
    assert found.indices.tolist() == [[6, 5, -1]]
    np.testing.assert_allclose(confidences, [[0.8, 0.4, 0]])
