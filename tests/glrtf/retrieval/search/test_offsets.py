"""Coarse scores are never taken for less, and hardly for more, than they were."""

import numpy as np

from glrtf.retrieval.search.offsets import Offsets
from glrtf.retrieval.search.packed_candidates import NOTHING, packed


def test_rows_keep_the_coarseness_of_their_time():
    offsets = Offsets()
    assert not offsets
    offsets.append(10, np.array([0.5, -2.0], np.float32))
    offsets.append(20, np.array([0.75, 0.5], np.float32))
    assert offsets
    np.testing.assert_array_equal(offsets.latest, np.array([0.75, 0.5], np.float32))
    scores = np.full(4, 1.0, np.float32)
    keys = np.stack([packed(scores, np.array([9, 10, 19, 20]))] * 2)
    keys[1, 3] = NOTHING
    greatest = offsets.greatest(keys)
    # Steps are 2^-7 of what is above the base: nothing for row 9, whose score was not rounded.
    above = np.array([[0, 0.5, 0.5, 0.25], [0, 3, 3, -np.inf]])
    assert (greatest >= 1 + above * 2.0**-7).all()
    assert (greatest[:, :3] <= 1 + above[:, :3] * 2.0**-7 * 1.02 + 1e-6).all()
    assert greatest[1, 3] == -np.inf


def test_no_score_below_a_threshold_is_coarser_than_said():
    offsets = Offsets()
    thresholds = np.array([0.9, -np.inf], np.float32)
    np.testing.assert_array_equal(offsets.coarseness(thresholds), [0, 0])
    offsets.append(0, np.array([0.4, -2.0], np.float32))
    coarse = offsets.coarseness(thresholds)
    assert 0.5 * 2.0**-7 <= coarse[0] <= 0.5 * 2.0**-7 * 1.02 + 1e-6
    # Without a threshold nothing is dropped.
    assert 0 <= coarse[1] <= 1e-6
