"""Few queries: the neighbours of the exact search, to the last bit."""

import numpy as np
import pytest

from glrtf.config.search import SearchConfig
from glrtf.embeddings.concatenated_rows import ConcatenatedRows
from glrtf.embeddings.in_memory import InMemoryRows
from glrtf.embeddings.rows import ArrayRows, normalized
from glrtf.retrieval.search import exact, few_queries, neighbors, opened


def unit_rows(count, dtype, seed):
    return normalized(np.random.default_rng(seed).normal(size=(count, 24))).astype(dtype)


def in_parts(lengths, dtype):
    """Rows in parts: the first two are alike, and so are the last part's first and third."""
    rows = unit_rows(sum(lengths), dtype, 1)
    rows[1] = rows[0]
    last = len(rows) - lengths[-1]
    rows[last : last + 3 : 2] = rows[0]
    cuts = np.cumsum(lengths)[:-1]
    return InMemoryRows(ConcatenatedRows([ArrayRows(part) for part in np.split(rows, cuts)])), rows


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("lengths", [(70,), (40, 3, 0, 30), (300, 299, 299)])
@pytest.mark.parametrize(("k", "per_part"), [(1, 0), (5, 0), (2000, 0), (0, 1), (0, 15)])
def test_neighbours_are_those_of_the_exact_search(dtype, lengths, k, per_part):
    database, rows = in_parts(lengths, dtype)
    # Three queries are rows of the database, two of them equal: ties go to the first row.
    queries = ArrayRows(np.concatenate([rows[[0, 5, 1]], unit_rows(4, dtype, 2)]))
    expected = exact.search(queries, database, k, per_part)
    found = few_queries.search(queries, database, k, per_part)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_rows_that_differ_by_less_than_float32_resolves_are_ordered_by_their_true_scores():
    rows = np.zeros((50, 24))
    rows[:, 0] = 1
    # Cosines of 1 - i²/2 · 1e-12: equal in float32, where numbers near 1 are 6e-8 apart.
    rows[:, 1] = 1e-6 * np.arange(50)[::-1]
    database = InMemoryRows(ArrayRows(normalized(rows)))
    found = few_queries.search(ArrayRows(np.eye(24)[:1]), database, 3)
    assert found.indices.tolist() == [[49, 48, 47]]


def test_a_database_that_is_opened_searches_many_queries_by_the_exact_search(tmp_path, monkeypatch):
    database, rows = in_parts((70,), np.float32)
    searched = opened.OpenedDatabase(database, SearchConfig(), str(tmp_path))
    calls = []
    monkeypatch.setattr(few_queries, "search", lambda *given: calls.append(given))
    # 70 rows of 24 numbers: 5 queries need 8,400 products.
    monkeypatch.setattr(few_queries, "_MOST_NUMBERS", 8400)
    searched.nearest(ArrayRows(rows[:5]), 3)
    assert len(calls) == 1
    assert searched.nearest(ArrayRows(rows[:6]), 3).indices.shape == (6, 3)
    assert len(calls) == 1


@pytest.mark.parametrize("each", [1, 3, 20, 70, 300])
def test_scores_of_pairs_do_not_depend_on_the_lengths_of_their_runs(monkeypatch, each):
    database, rows = in_parts((40, 3, 0, 30), np.float32)
    queries = ArrayRows(rows[:6])
    query_rows = np.repeat(np.arange(6), each)
    database_rows = np.random.default_rng(3).integers(0, 73, len(query_rows))
    expected = [
        np.dot(rows[query].astype(float), rows[row].astype(float))
        for query, row in zip(query_rows, database_rows, strict=True)
    ]
    for at_once in (1, 100 * 24, 1 << 20):  # Numbers: 1, 100 and all of the pairs.
        monkeypatch.setattr(neighbors, "_NUMBERS_AT_ONCE", at_once)
        found = neighbors.score_pairs(queries, database, query_rows, database_rows)
        np.testing.assert_array_equal(found, expected)
