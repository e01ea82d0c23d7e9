"""Tests of margins against a slow, obvious version."""

import numpy as np
import pytest

from glrtf.cleaning import margins
from glrtf.cleaning.nearest import LandmarkRows, own_neighbors, without_self
from glrtf.embeddings.rows import ArrayRows, normalized
from glrtf.retrieval.search import exact
from glrtf.retrieval.search.neighbors import NO_ROW, Neighbors

ROWS, LANDMARKS, NEAREST, NUMBER = 80, 12, 15, 3


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(3)
    # Landmarks 0 and 1 have one and two images.
    codes = np.concatenate([[0, 1, 1], rng.integers(2, LANDMARKS, ROWS - 3)])
    centres = rng.normal(size=(LANDMARKS, 8))
    rows = normalized(centres[codes] + 0.8 * rng.normal(size=(ROWS, 8)))
    train = ArrayRows(rows)
    overall = exact.search(train, train, NEAREST + 1)
    own = own_neighbors(train, LandmarkRows.of(codes), 6)
    return train, rows @ rows.T, codes, overall, own


def slow_margin(similarities, codes, counts, row, label):
    """(own, other, its landmark) of one image with one label, by loops."""
    others = [each for each in range(len(codes)) if each != row]
    of_label = sorted(
        (similarities[row, each] for each in others if counts[each] and codes[each] == label),
        reverse=True,
    )[:NUMBER]
    number = max(len(of_label), 1)
    nearest = sorted(others, key=lambda each: -similarities[row, each])[:NEAREST]
    floor = similarities[row, nearest[-1]]
    best, which = floor, -1
    for landmark in sorted(set(codes) - {label}):
        near = [similarities[row, e] for e in nearest if counts[e] and codes[e] == landmark]
        if near:
            filled = [*near, *[floor] * number][:number]
            if which < 0 or np.mean(filled) > best:
                best, which = np.mean(filled), landmark
    return (np.mean(of_label) if of_label else -np.inf), best, which


@pytest.mark.parametrize("hidden", [0, 20])
def test_margins_of_all_labels(world, hidden):
    _, similarities, codes, overall, own = world
    counts = np.arange(ROWS) >= hidden
    found = margins.of_labels(overall, own, codes, counts, NUMBER)
    for row in range(ROWS):
        # Six neighbours in the landmark are known, of which some may not count.
        if hidden and (own.scores[row] > -np.inf).all():
            continue
        expected = slow_margin(similarities, codes, counts, row, codes[row])
        assert found.own[row] == pytest.approx(expected[0], abs=1e-12)
        assert found.other[row] == pytest.approx(expected[1], abs=1e-12)
        assert found.other_codes[row] == expected[2]


def test_margins_of_exchanged_labels(world):
    train, similarities, codes, overall, _ = world
    counts = np.arange(ROWS) % 7 > 0
    exchanged = margins.exchange(codes, counts, seed=1)
    assert counts[exchanged.rows].all()
    assert (exchanged.labels != codes[exchanged.rows]).all()
    found = margins.of_exchanged(
        exchanged, train, overall, LandmarkRows.of(codes), codes, counts, NUMBER
    )
    for place, (row, label) in enumerate(zip(exchanged.rows, exchanged.labels, strict=True)):
        expected = slow_margin(similarities, codes, counts, row, label)
        assert found.own[place] == pytest.approx(expected[0], abs=1e-12)
        assert found.other[place] == pytest.approx(expected[1], abs=1e-12)
        assert found.other_codes[place] == expected[2]


def test_own_neighbors_are_the_nearest_of_the_landmark(world):
    _, similarities, codes, _, own = world
    for row in range(ROWS):
        of_label = [e for e in range(ROWS) if e != row and codes[e] == codes[row]]
        nearest = sorted(of_label, key=lambda each: -similarities[row, each])[:6]
        assert own.indices[row].tolist() == [*nearest, *[NO_ROW] * (6 - len(nearest))]
        assert own.scores[row, : len(nearest)] == pytest.approx(similarities[row, nearest])


def test_a_row_among_more_equal_ones_than_neighbours_loses_the_last():
    # Rows 0 to 3 are equal; of row 3 the three nearest are 0, 1 and 2.
    found = Neighbors(np.array([[0, 1, 2], [0, 1, 2]]), np.ones((2, 3)))
    assert without_self(found, np.array([0, 3])).indices.tolist() == [[1, 2], [0, 1]]
