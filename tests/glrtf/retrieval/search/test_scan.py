"""The scan finds what numpy.nonzero finds, whatever the widths it had before."""

import numpy as np
import pytest

from glrtf.retrieval.search.scan import Scan


@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_a_scan_is_a_comparison(dtype):
    rng = np.random.default_rng(0)
    scan = Scan()
    for queries, width in [(5, 300), (1, 1), (7, 64), (5, 301), (3, 7), (2, 0)]:
        scores = rng.integers(-50, 50, (queries, width)).astype(dtype)
        least = rng.choice([-60, 0, 45, 60], queries).astype(dtype)
        rows, columns = scan.reaching(scores, least)
        slow_rows, slow_columns = np.nonzero(scores >= least[:, None])
        np.testing.assert_array_equal(rows, slow_rows)
        np.testing.assert_array_equal(columns, slow_columns)


def test_a_scan_leaves_numpys_buffer_as_it_was():
    before = np.getbufsize()
    Scan().reaching(np.zeros((2, 3), np.float32), np.zeros(2, np.float32))
    assert np.getbufsize() == before
    with pytest.raises(ValueError):
        Scan().reaching(np.zeros((2, 3), np.float32), np.zeros(5, np.float32))
    assert np.getbufsize() == before
