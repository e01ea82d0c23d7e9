"""One dispatch: a database opened once finds what a single search finds."""

import numpy as np
import pytest

from glrtf.config.search import SearchConfig
from glrtf.embeddings.concatenated_rows import ConcatenatedRows
from glrtf.embeddings.rows import ArrayRows, normalized
from glrtf.retrieval.search import backends
from glrtf.retrieval.search.neighbors import stacked
from glrtf.retrieval.search.opened import OpenedDatabase
from tfrecords_tools.errors import UserError


def unit_rows(count, seed):
    return normalized(np.random.default_rng(seed).normal(size=(count, 8))).astype(np.float32)


DATABASE = ConcatenatedRows([ArrayRows(unit_rows(40, 1)), ArrayRows(unit_rows(30, 2))])


@pytest.mark.parametrize("backend", ["exact", "tensorflow", "annoy"])
@pytest.mark.parametrize(("k", "per_part"), [(5, 0), (0, 3)])
def test_it_finds_what_a_single_search_finds(tmp_path, backend, k, per_part):
    if backend != "exact":
        pytest.importorskip(backend)
    config = SearchConfig(backend=backend)
    queries = ArrayRows(unit_rows(6, 3))
    opened = OpenedDatabase(DATABASE, config, str(tmp_path))
    found = opened.nearest(queries, k, per_part)
    blocks = backends.search_blocks(queries, DATABASE, k, per_part, config, str(tmp_path), "test")
    expected = stacked(list(blocks))
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.scores, expected.scores)
    nothing = opened.nearest(ArrayRows(unit_rows(0, 3)), k, per_part)
    assert nothing.indices.shape == (0, 5 if k else 6)


def test_rows_of_another_dimension(tmp_path):
    opened = OpenedDatabase(DATABASE, SearchConfig(), str(tmp_path))
    other = ArrayRows(np.eye(3, dtype=np.float32))
    with pytest.raises(UserError, match=r"expected rows of dimension 8 .*, found 3"):
        opened.nearest(other, 5)
