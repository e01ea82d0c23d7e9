"""Stages of sets that were changed, compared with stages computed at once."""

import numpy as np
import pytest

from glrtf.config.search import SearchConfig
from glrtf.embeddings import versions
from glrtf.embeddings.adapted_rows import AdaptedRows
from glrtf.embeddings.adapter import Adapter
from glrtf.embeddings.concatenated_rows import ConcatenatedRows
from glrtf.embeddings.embedding_set import EmbeddingSet, finish, write_part
from glrtf.embeddings.joined_rows import join
from glrtf.embeddings.rows import ArrayRows, groups_of, normalized
from glrtf.embeddings.set_parts import RowGroup
from glrtf.retrieval.growing import Growth
from glrtf.retrieval.search import backends, exact
from glrtf.retrieval.search.cached import CachedSearch
from glrtf.retrieval.stage_cache import StageCache

ROWS = normalized(np.random.default_rng(3).normal(size=(60, 8))).astype(np.float32)


def write_set(folder, numbers, rows=ROWS):
    ids = np.array([f"{number:016x}" for number in numbers], "S16")
    write_part(str(folder), 0, 1, rows[numbers], ids)
    return finish(str(folder), 1, model="m")


def table(content):
    """Key -> places in a file whose numbers start at a value of its own."""
    return tuple(RowGroup(key, np.array(places)) for key, places in content)


STARTS = {"a": 0, "b": 1000, "c": 2000}


def stage(cache, content, computed, key=0, **settings):
    """A stage whose value in each row is 7 times the row's number, or so many times by key."""
    groups = table(content)
    numbers = np.concatenate([STARTS[group.key] + group.places for group in groups])

    def blocks_of(rows):
        computed.append(numbers[rows].tolist())
        for start in range(0, len(rows), 2):
            block = numbers[rows[start : start + 2]]
            yield np.stack([block * (7 + key), -block], axis=1), block > 1000

    growth = Growth({"k": key}, groups, blocks_of, **settings)
    whole = {"k": key, "rows": numbers.tolist()}
    everything = np.arange(len(numbers))
    arrays = cache.arrays("stage", whole, len(numbers), lambda: blocks_of(everything), growth)
    np.testing.assert_array_equal(arrays[0], np.stack([numbers * (7 + key), -numbers], axis=1))
    np.testing.assert_array_equal(arrays[1], numbers > 1000)


def test_rows_that_an_earlier_stage_has_are_copied(tmp_path):
    cache, computed = StageCache(str(tmp_path)), []
    stage(cache, [("a", range(5)), ("b", range(3))], computed)
    computed.clear()
    # One row removed, another file added between; then only rows that are known; then none.
    stage(cache, [("a", [0, 2, 3, 4]), ("c", [1, 4, 5]), ("b", [0, 1, 2])], computed)
    assert computed == [[2001, 2004, 2005]]
    computed.clear()
    stage(cache, [("c", [4]), ("a", [0, 3])], computed)
    assert computed == []
    stage(cache, [("c", [4, 6]), ("a", [0, 3, 4])], computed)
    assert computed == [[2006]]


def test_nothing_is_taken_of_another_stage_or_key(tmp_path):
    cache, computed = StageCache(str(tmp_path)), []
    stage(cache, [("a", range(3))], computed)
    stage(cache, [("a", range(4))], computed, key=1)
    assert computed == [[0, 1, 2], [0, 1, 2, 3]]


def test_the_earlier_stage_goes_where_it_is_of_no_more_use(tmp_path):
    cache = StageCache(str(tmp_path))
    stage(cache, [("a", range(3))], [], replaces=True)
    stage(cache, [("a", range(4))], [], replaces=True)
    assert len(list(tmp_path.glob("*.json"))) == 1 and len(list(tmp_path.glob("*.npy"))) == 2


@pytest.mark.parametrize("damage", ["bit", "length"])
def test_a_damaged_stage_is_no_source(tmp_path, capsys, damage):
    stage(StageCache(str(tmp_path)), [("a", range(3))], [])
    [first, *_] = sorted(tmp_path.glob("*.npy"))
    data = bytearray(first.read_bytes())
    first.write_bytes(data[:-8] if damage == "length" else data[:-1] + bytes([data[-1] ^ 1]))
    computed = []
    stage(StageCache(str(tmp_path)), [("a", range(4))], computed)
    assert computed == [[0, 1, 2, 3]]
    assert "computed again" in capsys.readouterr().err


def identity_adapter():
    layers = ((np.eye(8, dtype=np.float32), np.zeros(8, np.float32)),)
    return Adapter(layers, [{"model": "m", "model_digest": None}], [1.0], "adapted", "d", {})


@pytest.mark.parametrize("form", ["set", "joined", "adapted", "with queries"])
def test_only_new_photos_are_searched_for(tmp_path, monkeypatch, form):
    train = ArrayRows(ROWS[30:])
    searched = []
    plain = backends.search_blocks

    def counted(queries, *arguments):
        searched.append(len(queries.ids))
        return plain(queries, *arguments)

    monkeypatch.setattr(backends, "search_blocks", counted)

    def rows_of(opened):
        if form == "set":
            return opened
        joined = join([opened, EmbeddingSet.open(opened.folder)], [1.0, 2.0])
        if form == "adapted":
            return AdaptedRows(join([opened]), identity_adapter())
        return ConcatenatedRows([joined, joined]) if form == "with queries" else joined

    def neighbors(opened):
        rows = rows_of(opened)
        width = rows.dimension
        database = train if width == 8 else ArrayRows(normalized(np.tile(ROWS[30:], 2)))
        cache = StageCache(str(tmp_path / "cache"))
        found = CachedSearch(SearchConfig(), cache).neighbors("near", rows, database, 4)
        expected = exact.search(rows, database, 4)
        np.testing.assert_array_equal(found.indices, expected.indices)
        np.testing.assert_array_equal(found.scores, expected.scores)

    opened = write_set(tmp_path / "set", range(10))
    neighbors(opened)
    twice = 2 if form == "with queries" else 1
    searched.clear()
    versions.remove(opened.folder, opened.ids[[2, 7]])
    changed = versions.add(opened.folder, write_set(tmp_path / "new", [20, 21, 22])).set
    neighbors(changed)
    assert searched == [3 * twice]
    searched.clear()
    neighbors(versions.remove(opened.folder, changed.ids[:1]).set)
    assert searched == []


def test_joined_sets_in_other_orders_have_no_groups(tmp_path):
    one = write_set(tmp_path / "one", [1, 2, 3])
    other = write_set(tmp_path / "other", [3, 1, 2])
    joined = join([one, other])
    [group] = groups_of(joined)
    assert group.key == joined.digest and group.places.tolist() == [0, 1, 2]
