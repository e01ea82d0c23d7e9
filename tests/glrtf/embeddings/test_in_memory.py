import numpy as np
import pytest

from glrtf.embeddings.concatenated_rows import ConcatenatedRows
from glrtf.embeddings.in_memory import InMemoryRows, in_memory, num_bytes
from glrtf.embeddings.rows import ArrayRows, normalized


def in_parts(dtype):
    rows = normalized(np.random.default_rng(0).normal(size=(9, 6))).astype(dtype)
    return ConcatenatedRows([ArrayRows(rows[:4]), ArrayRows(rows[4:4]), ArrayRows(rows[4:])])


@pytest.mark.parametrize(("dtype", "width"), [(np.float32, 4), (np.float64, 12)])
def test_parts_and_numbers_are_those_of_the_source(dtype, width):
    source = in_parts(dtype)
    rows = InMemoryRows(source)
    assert (rows.part_lengths, rows.digest) == ((4, 0, 5), source.digest)
    for part, length in enumerate(source.part_lengths):
        numbers = np.arange(length)[::-1]
        np.testing.assert_array_equal(rows.gather(part, numbers), source.gather(part, numbers))
        np.testing.assert_array_equal(rows.read(part, 1, 9), source.read(part, 1, length))
    # 9 x 6 numbers, in float32 alone or in float32 and float64.
    assert num_bytes(source) == num_bytes(rows) == 54 * width


def test_too_many_rows_are_left_where_they_are():
    source = in_parts(np.float32)
    assert in_memory(source, 54 * 4 - 1) is source
    assert isinstance(in_memory(source, 54 * 4), InMemoryRows)
