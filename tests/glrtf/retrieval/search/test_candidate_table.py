"""A table of candidates against lists of them."""

import numpy as np

from glrtf.retrieval.search.candidate_table import CandidateTable
from glrtf.retrieval.search.packed_candidates import NOTHING


def lists_of(table):
    """Each query's candidates; behind them there is nothing."""
    assert all(
        (row[count:] == NOTHING).all() for row, count in zip(table.keys, table.counts, strict=True)
    )
    return [row[:count].tolist() for row, count in zip(table.keys, table.counts, strict=True)]


def put(table, lists, generator, most):
    """Puts some keys into both."""
    counts = generator.integers(0, most, len(lists))
    queries = np.repeat(np.arange(len(lists)), counts)
    keys = generator.integers(0, 1000, len(queries))
    if not table.has_room(counts):
        table.make_room(counts)
    table.put(keys, counts)
    for query, key in zip(queries, keys.tolist(), strict=True):
        lists[query].append(key)


def test_it_holds_what_lists_hold():
    generator = np.random.default_rng(0)
    table, lists = CandidateTable(5, 3), [[] for _ in range(5)]
    for round_ in range(20):
        put(table, lists, generator, 6)
        assert lists_of(table) == lists
        if round_ % 4 == 3:
            last = generator.integers(200, 800, (5, 1))
            table.keep(2, last)
            lists = [
                parts[:2] + [key for key in parts[2:] if key <= end]
                for parts, [end] in zip(lists, last, strict=True)
            ]
            assert lists_of(table) == lists
    table.keep(2, None)
    assert lists_of(table) == [parts[:2] for parts in lists]


def test_room_is_for_every_query():
    table = CandidateTable(2, 4)
    assert table.has_room(np.array([4, 0]))
    assert not table.has_room(np.array([0, 5]))
    table.make_room(np.array([0, 5]))
    assert table.has_room(np.array([0, 5]))


def test_some_queries_may_be_given_other_candidates():
    generator = np.random.default_rng(1)
    table, lists = CandidateTable(4, 3), [[] for _ in range(4)]
    put(table, lists, generator, 9)
    lists[1], lists[3] = [7, 8], [5, 6]
    table.replace(np.array([1, 3]), np.array([[7, 8], [5, 6]]))
    assert lists_of(table) == lists


def test_no_query_has_none():
    table = CandidateTable(0, 3)
    assert table.keys.shape == (0, 0)
    assert CandidateTable(3, 3).keys.shape == (3, 0)
