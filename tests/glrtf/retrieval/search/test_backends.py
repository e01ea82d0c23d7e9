"""Annoy and TensorFlow against the exact search."""

import builtins
import os
import subprocess
import sys

import numpy as np
import pytest

from glrtf.config.search import SearchConfig
from glrtf.embeddings.concatenated_rows import ConcatenatedRows
from glrtf.embeddings.rows import ArrayRows, normalized
from glrtf.retrieval.search import backends, exact
from glrtf.retrieval.search.neighbors import stacked
from tfrecords_tools.errors import UserError


def unit_rows(count, dimension, seed=0, dtype=np.float32):
    rows = np.random.default_rng(seed).normal(size=(count, dimension))
    return normalized(rows).astype(dtype)


def in_parts(rows, lengths):
    return ConcatenatedRows([ArrayRows(cut) for cut in np.split(rows, np.cumsum(lengths)[:-1])])


def find(backend, queries, database, k, folder, per_part=0, **settings):
    config = SearchConfig(backend=backend, **settings)
    blocks = backends.search_blocks(queries, database, k, per_part, config, str(folder), "test")
    return stacked(list(blocks))


@pytest.fixture
def small_tiles(monkeypatch):
    tensorflow_search = pytest.importorskip("glrtf.retrieval.search.tensorflow_backend")
    pytest.importorskip("tensorflow")
    monkeypatch.setattr(tensorflow_search, "_TILE_ROWS", 256)
    monkeypatch.setattr(tensorflow_search, "_SPARE", 4)


@pytest.mark.parametrize(
    ("dimension", "k", "per_part", "lengths"),
    [(1, 3, 0, [40]), (16, 9, 0, [700, 0, 300]), (16, 0, 5, [700, 3, 297])],
)
def test_tensorflow_finds_exactly_the_same(tmp_path, small_tiles, dimension, k, per_part, lengths):
    queries = ArrayRows(unit_rows(20, dimension, 1))
    rows = unit_rows(sum(lengths), dimension, 2)
    rows[10:30] = rows[5]
    database = in_parts(rows, lengths)
    found = find("tensorflow", queries, database, k, tmp_path, per_part)
    expected = exact.search(queries, database, k, per_part)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_tensorflow_sees_through_near_ties(tmp_path, small_tiles):
    """All of a tile within bfloat16's rounding: the device's own top-k cannot be trusted."""
    rng = np.random.default_rng(0)
    centre = rng.normal(size=24)
    rows = normalized(centre + 1e-4 * rng.normal(size=(600, 24))).astype(np.float32)
    queries = ArrayRows(normalized(centre + 0.1 * rng.normal(size=(3, 24))))
    found = find("tensorflow", queries, ArrayRows(rows), 7, tmp_path)
    expected = exact.search(queries, ArrayRows(rows), 7)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_annoy_finds_most_and_scores_what_it_finds_exactly(tmp_path):
    pytest.importorskip("annoy")
    queries, rows = ArrayRows(unit_rows(20, 16, 1)), unit_rows(800, 16, 2)
    database = in_parts(rows, [500, 0, 300])
    found = find("annoy", queries, database, 10, tmp_path, annoy_trees=10)
    expected = exact.search(queries, database, 10)
    shared = [len(np.intersect1d(*pair)) for pair in zip(found.indices, expected.indices)]  # noqa: B905
    assert np.mean(shared) > 8
    true = exact.search(queries, database, 800)
    for row in range(20):
        known = dict(zip(true.indices[row], true.scores[row], strict=True))
        assert [known[one] for one in found.indices[row]] == found.scores[row].tolist()
    built = sorted(path.name for path in tmp_path.iterdir())
    assert len([name for name in built if name.endswith(".annoy")]) == 2
    times = [path.stat().st_mtime_ns for path in sorted(tmp_path.iterdir())]
    again = find("annoy", queries, database, 10, tmp_path, annoy_trees=10)
    np.testing.assert_array_equal(again.indices, found.indices)
    assert times == [path.stat().st_mtime_ns for path in sorted(tmp_path.iterdir())]


_BUILD = """
import os, sys
import numpy as np
from glrtf.embeddings.rows import ArrayRows, normalized
from glrtf.retrieval.search import annoy_backend
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[1])])
rows = normalized(np.random.default_rng(0).normal(size=(3000, 16))).astype(np.float32)
annoy_backend.build(sys.argv[2], ArrayRows(rows), 0, 10)
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs processor affinity")
def test_annoy_trees_do_not_depend_on_the_processors(tmp_path):
    """Where the machine has one processor, this still compares two builds."""
    pytest.importorskip("annoy")
    paths = [tmp_path / name for name in ("one", "two", "again")]
    for path, processors in zip(paths, "122", strict=True):
        command = [sys.executable, "-c", _BUILD, processors, str(path)]
        subprocess.run(command, check=True, capture_output=True)
    assert len({path.read_bytes() for path in paths}) == 1


def test_a_damaged_annoy_index_is_refused_by_name(tmp_path):
    pytest.importorskip("annoy")
    queries, database = ArrayRows(unit_rows(3, 8, 1)), ArrayRows(unit_rows(50, 8, 2))
    find("annoy", queries, database, 5, tmp_path, annoy_trees=2)
    (path,) = tmp_path.glob("*.annoy")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    with pytest.raises(UserError, match=rf"{path}: expected an Annoy index as it was written"):
        find("annoy", queries, database, 5, tmp_path, annoy_trees=2)


def test_annoy_with_few_rows_pads(tmp_path):
    pytest.importorskip("annoy")
    queries, database = ArrayRows(unit_rows(2, 4, 1)), ArrayRows(unit_rows(3, 4, 2))
    found = find("annoy", queries, database, 5, tmp_path, annoy_trees=2)
    expected = exact.search(queries, database, 5)
    np.testing.assert_array_equal(found.indices, expected.indices)


@pytest.mark.parametrize("missing", ["annoy", "tensorflow"])
def test_a_missing_library_is_reported_in_one_line(tmp_path, monkeypatch, missing):
    real = builtins.__import__

    def without(name, *arguments, **keywords):
        if name == missing:
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    rows = ArrayRows(unit_rows(3, 4))
    with pytest.raises(UserError, match=f"--search.backend {missing}.*--search.backend exact"):
        find(missing, rows, rows, 1, tmp_path)


def test_rows_of_other_dimension_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"expected rows of dimension 5.*found 4"):
        find("exact", ArrayRows(unit_rows(2, 4)), ArrayRows(unit_rows(2, 5)), 1, tmp_path)
