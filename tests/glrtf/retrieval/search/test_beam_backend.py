import sys

import numpy as np
import pytest
import retrieval_worlds as worlds

from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.embeddings.joined_rows import join
from glrtf.embeddings.rows import ArrayRows, normalized
from glrtf.retrieval.search import beam_backend, exact
from glrtf.retrieval.search.neighbors import Neighbors, merge, stacked
from tfrecords_tools.errors import UserError


@pytest.mark.parametrize("per_part", [0, 3])
def test_beam_finds_the_same_as_one_machine(tmp_path, monkeypatch, per_part):
    pytest.importorskip("apache_beam")
    monkeypatch.setattr(beam_backend, "_QUERIES_A_BLOCK", 20)
    world = worlds.make_world(
        tmp_path, test=30, index=40, train=300, train_parts=[0, 200, 3, 97], duplicates=20
    )
    queries = join([EmbeddingSet.open(world.folder / "index")])
    database = join([EmbeddingSet.open(world.folder / "train")])
    database.gather(1, np.arange(2))  # Opens a memory map, which must not travel.
    found = beam_backend.search_blocks(
        queries, database, 15, per_part, ["runner=DirectRunner"], str(tmp_path / "cache")
    )
    found = stacked(list(found))
    expected = exact.search(queries, database, 15, per_part)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.scores, expected.scores)
    assert list((tmp_path / "cache").iterdir()) == []


def test_merging_in_any_grouping_gives_the_whole():
    pytest.importorskip("apache_beam")
    rng = np.random.default_rng(0)
    parts = [
        Neighbors(np.arange(6).reshape(2, 3) * 10 + part, rng.integers(0, 4, (2, 3)) / 4.0)
        for part in range(5)
    ]
    combine = beam_backend.merging(4)
    left = combine.create_accumulator()
    for part in parts[:2]:
        left = combine.add_input(left, (part.indices, part.scores))
    right = combine.create_accumulator()
    for part in parts[2:]:
        right = combine.add_input(right, (part.indices, part.scores))
    empty = combine.create_accumulator()
    indices, scores = combine.extract_output(combine.merge_accumulators([right, empty, left]))
    expected = merge(parts, 4)
    np.testing.assert_array_equal(indices, expected.indices)
    np.testing.assert_array_equal(scores, expected.scores)


def test_without_beam_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    rows = ArrayRows(normalized(np.ones((2, 3))))
    with pytest.raises(UserError, match=r"'\.\[beam\]'"):
        list(beam_backend.search_blocks(rows, rows, 1, 0, [], str(tmp_path)))
