"""Coarse scores are never taken for less, and hardly for more, than they were."""

import numpy as np

from glrtf.retrieval.search.offsets import Bases
from glrtf.retrieval.search.packed_candidates import NOTHING, packed


def test_rows_keep_the_coarseness_of_their_time():
    bases = Bases()
    assert not bases
    bases.follow(10, np.array([0.5, -2.0], np.float32))
    bases.follow(20, np.array([0.75, 0.5], np.float32))
    assert bases
    np.testing.assert_array_equal(bases.latest, np.array([0.75, 0.5], np.float32))
    scores = np.full(4, 1.0, np.float32)
    keys = np.stack([packed(scores, np.array([9, 10, 19, 20]))] * 2)
    keys[1, 3] = NOTHING
    greatest = bases.greatest(keys)
    # Steps are 2^-7 of what is above the base: nothing for row 9, whose score was not rounded.
    above = np.array([[0, 0.5, 0.5, 0.25], [0, 3, 3, -np.inf]])
    assert (greatest >= 1 + above * 2.0**-7).all()
    assert (greatest[:, :3] <= 1 + above[:, :3] * 2.0**-7 * 1.02 + 1e-6).all()
    assert greatest[1, 3] == -np.inf


def test_no_score_below_a_floor_is_coarser_than_said():
    bases = Bases()
    floors = np.array([0.9, -np.inf], np.float32)
    np.testing.assert_array_equal(bases.coarseness(floors), [0, 0])
    bases.follow(0, np.array([0.4, -2.0], np.float32))
    coarse = bases.coarseness(floors)
    assert 0.5 * 2.0**-7 <= coarse[0] <= 0.5 * 2.0**-7 * 1.02 + 1e-6
    # Without a floor nothing is dropped.
    assert 0 <= coarse[1] <= 1e-6
