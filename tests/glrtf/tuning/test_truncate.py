import numpy as np
import pytest

from glrtf.embeddings.concatenated_rows import ConcatenatedRows
from glrtf.embeddings.rows import ArrayRows, normalized
from glrtf.retrieval.search import exact
from glrtf.retrieval.search.neighbors import Neighbors
from glrtf.tuning.truncate import truncate


def test_by_hand():
    # Part 0 has rows 0..2, part 1 rows 3..4; two of each were wanted.
    wide = Neighbors(np.array([[4, 0, 1, 3]]), np.array([[0.9, 0.8, 0.7, 0.6]]))
    truncated = truncate(wide, 1, (3, 2))
    np.testing.assert_array_equal(truncated.indices, [[4, 0]])
    np.testing.assert_array_equal(truncated.scores, [[0.9, 0.8]])


def test_a_part_with_too_few_rows_leaves_its_places_empty():
    # Part 1 has one row: of two wanted of each part three are there.
    wide = Neighbors(
        np.array([[1, 3, 0, 2, -1, -1]]), np.array([[0.9, 0.8, 0.7, 0.1] + [-np.inf] * 2])
    )
    truncated = truncate(wide, 2, (3, 1))
    np.testing.assert_array_equal(truncated.indices, [[1, 3, 0, -1]])
    np.testing.assert_array_equal(truncated.scores, [[0.9, 0.8, 0.7, -np.inf]])


@pytest.mark.parametrize("per_part", [1, 3, 7])
def test_it_is_what_a_narrow_search_finds(per_part):
    generator = np.random.default_rng(3)
    rows = [normalized(generator.normal(size=(count, 6))) for count in (5, 40, 2, 23)]
    rows[1][7] = rows[3][2]  # equal scores in two parts
    train = ConcatenatedRows([ArrayRows(part, f"part {n}") for n, part in enumerate(rows)])
    queries = ArrayRows(normalized(generator.normal(size=(30, 6))))
    wide = exact.search(queries, train, 0, per_part=7)
    expected = exact.search(queries, train, 0, per_part=per_part)
    truncated = truncate(wide, per_part, train.part_lengths)
    np.testing.assert_array_equal(truncated.indices, expected.indices)
    np.testing.assert_array_equal(truncated.scores, expected.scores)
