"""Merging what several searches found, against sorting everything."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from glrtf.embeddings.concatenated_rows import ConcatenatedRows
from glrtf.embeddings.rows import ArrayRows, normalized
from glrtf.retrieval.search import exact
from glrtf.retrieval.search.neighbors import NO_ROW, Neighbors, best, merge

# Few different scores, so that ties are the rule.
SCORES = st.sampled_from([-0.5, 0.0, 0.25, 0.25 + 1e-16, 0.5, 1.0])


def slowly_best(pairs, k):
    """By score descending, then row ascending; -1 and -inf if there are fewer."""
    ordered = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:k]
    ordered += [(NO_ROW, -np.inf)] * (k - len(ordered))
    return [row for row, _ in ordered], [score for _, score in ordered]


@st.composite
def found(draw):
    """What one query's searches of several parts found, each k wide and padded."""
    k = draw(st.integers(1, 6))
    parts, first = [], 0
    for length in draw(st.lists(st.integers(0, 8), min_size=1, max_size=4)):
        scores = draw(st.lists(SCORES, min_size=length, max_size=length))
        parts.append([(first + row, score) for row, score in enumerate(scores)])
        first += length
    return k, parts


@settings(deadline=None)
@given(found(), st.integers(1, 12))
def test_merged_parts_are_the_best_of_all_rows(case, k):
    width, parts = case
    several = []
    for part in parts:
        rows, scores = slowly_best(part, width)
        several.append(Neighbors(np.array([rows], np.int64), np.array([scores])))
    # Each part gave its best `width`: merged, no more than these can be known.
    result = merge(several, k)
    known = [pair for part in parts for pair in zip(*slowly_best(part, width), strict=True)]
    expected = slowly_best([pair for pair in known if pair[0] != NO_ROW], k)
    assert result.indices.shape == result.scores.shape == (1, k)
    assert (result.indices[0].tolist(), result.scores[0].tolist()) == expected


@settings(deadline=None)
@given(st.lists(st.lists(SCORES, min_size=5, max_size=5), min_size=1, max_size=6), st.data())
def test_the_order_of_candidates_does_not_matter(rows_of_scores, data):
    scores = np.array(rows_of_scores)
    rows = np.broadcast_to(np.arange(5), scores.shape)
    order = data.draw(st.permutations(range(5)))
    straight, shuffled = best(rows, scores, 4), best(rows[:, order], scores[:, order], 4)
    np.testing.assert_array_equal(straight.indices, shuffled.indices)
    np.testing.assert_array_equal(straight.scores, shuffled.scores)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(0, 7), min_size=1, max_size=5),
    st.integers(1, 9),
    st.integers(0, 2**32 - 1),
)
def test_a_search_does_not_depend_on_how_rows_are_cut(lengths, k, seed):
    generator = np.random.default_rng(seed)
    # Coordinates of few values: many rows are equal, or equally far.
    rows = generator.integers(-1, 2, (max(sum(lengths), 1), 3)) + np.array([0, 0, 0.5])
    rows = normalized(rows.astype(np.float64))
    whole = ArrayRows(rows)
    cuts = np.split(rows, np.cumsum(lengths)[:-1]) if sum(lengths) else [rows]
    cut = ConcatenatedRows([ArrayRows(part, f"part {n}") for n, part in enumerate(cuts)])
    expected, result = exact.search(whole, whole, k), exact.search(whole, cut, k)
    np.testing.assert_array_equal(result.indices, expected.indices)
    np.testing.assert_array_equal(result.scores, expected.scores)
