"""Searches against brute force in float64."""

import numpy as np
import pytest

from glrtf.embeddings.concatenated_rows import ConcatenatedRows
from glrtf.embeddings.rows import ArrayRows, normalized
from glrtf.retrieval.search import exact, query_block, top_k
from glrtf.retrieval.search.top_k import Candidates
from tfrecords_tools.errors import UserError


def unit_rows(count, dimension, seed=0, dtype=np.float32):
    rows = np.random.default_rng(seed).normal(size=(count, dimension))
    return normalized(rows).astype(dtype)


def brute_force(queries, database, k):
    """Every pair for itself, then a stable sort: ties stay in row order."""
    left, right = queries.astype(np.float64), database.astype(np.float64)
    scores = np.array([[float((a * b).sum()) for b in right] for a in left])
    scores = scores.reshape(len(left), len(right))
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(scores, order, axis=1)


def in_parts(rows, lengths):
    cuts = np.split(rows, np.cumsum(lengths)[:-1])
    return ConcatenatedRows([ArrayRows(cut) for cut in cuts])


def check(found, queries, database, k):
    indices, scores = brute_force(queries, database, k)
    width = indices.shape[1]
    np.testing.assert_array_equal(found.indices[:, :width], indices)
    np.testing.assert_allclose(found.scores[:, :width], scores, rtol=0, atol=1e-14)
    assert (found.indices[:, width:] == -1).all() and np.isneginf(found.scores[:, width:]).all()
    assert found.indices.shape == found.scores.shape == (len(queries), k)
    assert found.indices.dtype == np.int64 and found.scores.dtype == np.float64


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("dimension", [2, 33, 512, 2560])
def test_every_dimension_and_storage(dimension, dtype):
    queries = unit_rows(7, dimension, 1, dtype)
    database = unit_rows(90, dimension, 2, dtype)
    found = exact.search(ArrayRows(queries), ArrayRows(database), 12)
    check(found, queries, database, 12)


def test_one_dimension_is_all_ties():
    queries = np.array([[1.0], [-1.0]], np.float32)
    database = np.array([[-1.0], [1.0], [1.0], [-1.0]], np.float32)
    found = exact.search(ArrayRows(queries), ArrayRows(database), 3)
    np.testing.assert_array_equal(found.indices, [[1, 2, 0], [0, 3, 1]])
    np.testing.assert_array_equal(found.scores, [[1, 1, -1], [1, 1, -1]])


@pytest.mark.parametrize("k", [1, 5, 40, 41, 100])
def test_few_rows_and_large_k(k):
    queries, database = unit_rows(3, 8, 1), unit_rows(40, 8, 2)
    check(exact.search(ArrayRows(queries), ArrayRows(database), k), queries, database, k)


def test_one_row():
    queries, database = unit_rows(2, 8, 1), unit_rows(1, 8, 2)
    check(exact.search(ArrayRows(queries), ArrayRows(database), 2), queries, database, 2)


def test_no_query():
    found = exact.search(ArrayRows(unit_rows(0, 8)), ArrayRows(unit_rows(3, 8)), 2)
    assert found.indices.shape == found.scores.shape == (0, 2)


@pytest.mark.parametrize("k", [1, 7, 60])
def test_duplicates_come_in_row_order(k):
    queries, database = unit_rows(5, 16, 1), unit_rows(300, 16, 2)
    database[40:290:2] = queries[3]
    database[::25] = database[1]
    check(exact.search(ArrayRows(queries), ArrayRows(database), k), queries, database, k)


@pytest.mark.parametrize("lengths", [[50, 50], [0, 99, 1], [1, 2, 3, 94], [100, 0]])
def test_the_cut_does_not_matter(lengths):
    queries, database = unit_rows(6, 16, 1), unit_rows(100, 16, 2)
    database[::9] = database[4]
    whole = exact.search(ArrayRows(queries), ArrayRows(database), 20)
    parts = exact.search(ArrayRows(queries), in_parts(database, lengths), 20)
    np.testing.assert_array_equal(parts.indices, whole.indices)
    np.testing.assert_array_equal(parts.scores, whole.scores)


def test_per_part_takes_the_best_of_each_part():
    queries, database = unit_rows(6, 16, 1), unit_rows(100, 16, 2)
    found = exact.search(ArrayRows(queries), in_parts(database, [30, 0, 2, 68]), 99, per_part=5)
    expected = np.concatenate(
        [
            brute_force(queries, database[:30], 5)[0],
            brute_force(queries, database[30:32], 5)[0] + 30,
            brute_force(queries, database[32:], 5)[0] + 32,
        ],
        axis=1,
    )
    assert found.indices.shape == (6, 20)
    np.testing.assert_array_equal(np.sort(found.indices[:, :12]), np.sort(expected))
    assert (found.indices[:, 12:] == -1).all()
    assert (np.diff(found.scores[:, :12], axis=1) <= 0).all()


@pytest.mark.parametrize("clusters", [1, 3])
def test_many_tiles_of_near_ties(monkeypatch, clusters):
    """Rows closer to one another than float32 can tell, over many small tiles."""
    monkeypatch.setattr(exact, "_TILE_NUMBERS", 64 * 24)
    monkeypatch.setattr(query_block, "_LEAST_ROWS", 16)
    monkeypatch.setattr(query_block, "_SCORES_A_PRODUCT", 16 * 20)
    monkeypatch.setattr(query_block, "_OPENING_ROWS", 40)
    monkeypatch.setattr(query_block, "QUERIES_A_PRODUCT", 16)
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(clusters, 24))
    database = centres[rng.integers(clusters, size=1500)]
    database = normalized(database + 1e-7 * rng.normal(size=database.shape)).astype(np.float32)
    queries = normalized(centres + 0.1 * rng.normal(size=(clusters, 24)))
    queries = np.concatenate([queries.astype(np.float32), unit_rows(30, 24)])
    found = exact.search(ArrayRows(queries), ArrayRows(database), 9)
    check(found, queries, database, 9)


def test_float32_scores_are_within_their_bound():
    queries, database = unit_rows(40, 64, 1), unit_rows(3000, 64, 2)
    left, right = ArrayRows(queries), ArrayRows(database)
    quick = exact.search(left, right, 10, float64_scores=False)
    slow = exact.search(left, right, 10)
    np.testing.assert_allclose(quick.scores, slow.scores, atol=exact.score_error(left, right))
    assert (quick.indices == slow.indices).mean() > 0.99


def test_the_bound_holds_for_real_products():
    queries, database = unit_rows(50, 2560, 1), unit_rows(50, 2560, 2)
    error = np.abs(queries @ database.T - queries.astype(float) @ database.astype(float).T)
    assert error.max() < exact.score_error(ArrayRows(queries), ArrayRows(database))


@pytest.mark.parametrize(("value", "found"), [(np.nan, "NaN"), (0.0, "length 0")])
def test_bad_rows_are_named(value, found):
    database = unit_rows(5, 4)
    database[3] = value
    ids = [f"image{row}" for row in range(5)]
    with pytest.raises(UserError, match=rf"index: row 3 .image image3.*{found}"):
        ArrayRows(database, "index", ids)


@pytest.mark.parametrize("error", [0.0, 1e-3])
@pytest.mark.parametrize("k", [1, 3, 50])
def test_candidates_survive_scores_that_are_off_by_the_error(monkeypatch, k, error):
    """Approximate scores are moved by up to ±error, adversarially often by exactly that."""
    monkeypatch.setattr(top_k, "_RAISE_AFTER", 0.1)
    rng = np.random.default_rng(k)
    true = np.round(rng.random((4, 2000)), 3)
    moved = true + error * rng.choice([-0.999, 0, 0.999], size=true.shape)
    collected = Candidates(4, k, lambda queries, rows: true[queries, rows])
    for start in range(0, 2000, 37):
        collected.add(moved[:, start : start + 37].astype(np.float32), start, error)
    found = collected.finish()
    order = np.argsort(-true, axis=1, kind="stable")[:, :k]
    if error:
        np.testing.assert_array_equal(found.indices, order)
    np.testing.assert_array_equal(found.scores, np.take_along_axis(true, order, axis=1))
