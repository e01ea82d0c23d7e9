"""Tests of the mixture of right and wrong labels."""

import numpy as np
import pytest

from glrtf.cleaning import mixture


def drawn(share, *, right=2.0, count=4000, seed=0):
    """Margins of a known mixture: N(right, 1) of right labels, N(0, 1) of wrong ones."""
    rng = np.random.default_rng(seed)
    wrong = rng.random(count) < share
    margins = rng.normal(np.where(wrong, 0.0, right))
    return margins, wrong, rng.normal(size=count)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.4])
def test_the_share_and_the_line_are_found(share):
    margins, _, exchanged = drawn(share, right=4.0)
    found = mixture.fit(margins, exchanged)
    assert found.share == pytest.approx(share, abs=0.02)
    # log N(x; 0, 1) - log N(x; 4, 1) = -x²/2 + (x - 4)²/2 = 8 - 4x.
    assert found.slope == pytest.approx(-4.0, rel=0.25)
    assert found.shift == pytest.approx(8.0, rel=0.25)


def test_a_set_of_wrong_labels_has_the_precision_it_says():
    margins, wrong, exchanged = drawn(0.2, right=3.0)
    chances = mixture.fit(margins, exchanged).probability(margins)
    chosen = mixture.most_with_precision(chances, 0.9)
    assert wrong[chosen].mean() == pytest.approx(0.9, abs=0.05)
    assert chances[chosen].mean() >= 0.9


def test_no_wrong_labels_are_found_where_there_are_none():
    margins, _, exchanged = drawn(0.0, right=5.0)
    chances = mixture.fit(margins, exchanged).probability(margins)
    assert mixture.most_with_precision(chances, 0.9).sum() <= 4  # of 4000


def test_nothing_is_learned_where_exchanged_labels_look_no_worse():
    margins, _, exchanged = drawn(0.1)
    assert mixture.fit(exchanged, exchanged + 3.0) == mixture.NOTHING_WRONG
    assert mixture.fit(margins[:5], exchanged) == mixture.NOTHING_WRONG
    assert mixture.fit(np.full(100, 0.5), exchanged) == mixture.NOTHING_WRONG
    assert mixture.NOTHING_WRONG.probability(margins).max() == 0


def test_the_largest_set_with_a_precision():
    # Means of the most likely ones: 1, 0.95, 0.9, 0.82, 0.73: three reach 0.9.
    chances = np.array([0.9, 0.6, 0.8, 1.0, 0.4])
    chosen = mixture.most_with_precision(chances, 0.9)
    assert chosen.tolist() == [True, False, True, True, False]
    # The last is more likely right, although the mean of all is above 0.7.
    assert mixture.most_with_precision(chances, 0.7).tolist() == [True, True, True, True, False]
