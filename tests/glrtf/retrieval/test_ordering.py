"""Packed sorts against NumPy's own."""

import numpy as np
import pytest

from glrtf.retrieval import ordering


def test_bits_fall_as_scores_rise_and_give_the_scores_back():
    scores = np.array([-np.inf, -3.5, -1e-40, -0.0, 0.0, 1e-40, 0.25, 7.0, np.inf], np.float32)
    bits = ordering.falling_bits(scores)
    assert bits[3] == bits[4]
    assert (np.diff(np.delete(bits, 3).astype(np.int64)) < 0).all()
    np.testing.assert_array_equal(ordering.scores_of_bits(bits), scores)


@pytest.mark.parametrize("largest", [1, 50, 2**40, 2**62])
def test_equal_integers_keep_their_order(largest):
    keys = np.random.default_rng(0).integers(largest, size=3000)
    keys[::3] = keys[0]
    np.testing.assert_array_equal(ordering.stable_order(keys), np.argsort(keys, kind="stable"))


def test_short_ids_go_before_longer_ones():
    ids = np.array([b"ab", b"a", b"0123456789abcdef", b"b", b""], "S16")
    assert ordering.id_ranks(ids).tolist() == [3, 2, 1, 4, 0]


def test_beginnings_of_groups():
    groups = np.array([0, 0, 2, 2, 2, 5])
    assert ordering.first_of_each(groups).tolist() == [0, 2, 5]
    assert ordering.first_of_each(groups[:0]).tolist() == []


@pytest.mark.parametrize("groups", [1, 9, 2**45])
@pytest.mark.parametrize("spread", [1.0, 1e-12])
@pytest.mark.parametrize("two", [False, True])
def test_groups_are_ordered_by_their_scores(groups, spread, two):
    """Also where float32 cannot tell the scores apart, and where they are equal."""
    rng = np.random.default_rng(1)
    which = rng.integers(groups, size=2000)
    scores = 0.5 + spread * rng.integers(-40, 40, size=2000)
    second = rng.integers(3, size=2000).astype(float) if two else None
    keys = [-scores, which] if second is None else [-second, -scores, which]
    found = ordering.descending_in_groups(which, scores, second)
    np.testing.assert_array_equal(found, np.lexsort(keys))


def test_ranges_one_after_the_other():
    integers, which = ordering.ranges(np.array([7, 3, 0, 20]), np.array([2, 0, 3, 1]))
    assert integers.tolist() == [7, 8, 0, 1, 2, 20]
    assert which.tolist() == [0, 0, 2, 2, 2, 3]
    nothing = np.empty(0, np.int64)
    assert [len(each) for each in ordering.ranges(nothing, nothing)] == [0, 0]


@pytest.mark.parametrize("shape", [(50,), (4, 33), (3, 1), (2, 0)])
def test_keys_are_sorted_with_the_places_they_had(shape):
    keys = np.random.default_rng(2).integers(9, size=shape)
    ascending, places = ordering.sorted_with_places(keys)
    np.testing.assert_array_equal(places, np.argsort(keys, axis=-1, kind="stable"))
    np.testing.assert_array_equal(ascending, np.take_along_axis(keys, places, axis=-1))


def test_nothing_has_an_order():
    nothing = np.empty(0, np.int64)
    assert len(ordering.descending_in_groups(nothing, np.empty(0))) == 0
