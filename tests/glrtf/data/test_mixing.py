import numpy as np
import pytest
import tensorflow as tf

from glrtf.config.data import AugmentConfig
from glrtf.data import mixing

SEED = (3, 4)


@pytest.fixture
def images():
    return np.random.default_rng(0).random((6, 10, 14, 3), dtype=np.float32)


@pytest.mark.parametrize("compiled", [False, True])
def test_mixup_blends_by_the_share(images, compiled):
    run = tf.function(lambda x: mixing.mixup(x, tf.constant(SEED), 0.4), jit_compile=compiled)
    mixed, partner, share = (value.numpy() for value in run(images))
    for row in range(6):
        expected = share[row] * images[row] + (1 - share[row]) * images[partner[row]]
        np.testing.assert_allclose(mixed[row], expected, atol=1e-6)
    assert sorted(partner) == list(range(6))


@pytest.mark.parametrize("compiled", [False, True])
def test_cutmix_pastes_one_box_and_counts_it(images, compiled):
    run = tf.function(lambda x: mixing.cutmix(x, tf.constant(SEED), 1.0), jit_compile=compiled)
    mixed, partner, share = (value.numpy() for value in run(images))
    assert sorted(partner) == list(range(6))
    for row in range(6):
        pasted = (mixed[row] != images[row]).any(axis=-1)
        np.testing.assert_array_equal(mixed[row][pasted], images[partner[row]][pasted])
        if partner[row] != row:
            assert share[row] == pytest.approx(1 - pasted.mean(), abs=1e-6)
            rows, columns = pasted.any(axis=1), pasted.any(axis=0)
            np.testing.assert_array_equal(pasted, rows[:, None] & columns[None, :])
            assert np.abs(np.diff(np.pad(rows.astype(int), 1))).sum() in (0, 2)
    assert (share < 1).any()


def test_shares_follow_the_beta_distribution():
    pixels = np.zeros((10_000, 1, 1, 3), np.float32)
    _, partner, share = mixing.mixup(pixels, tf.constant(SEED), 0.4)
    # Beta(a, a) has the mean 1/2 and the variance 1 / (4 (2 a + 1)) = 0.1389 for a = 0.4.
    assert abs(share.numpy().mean() - 0.5) < 3.3 * (0.1389 / 10_000) ** 0.5
    assert abs(share.numpy().var() - 1 / 7.2) < 0.004
    assert sorted(partner.numpy()) == list(range(10_000))


def test_quantiles_where_they_are_known():
    # Beta(1, 1) is uniform; Beta(1/2, 1/2) is the arcsine law, x = sin²(π p / 2).
    levels = np.linspace(0, 1, 4097)
    np.testing.assert_allclose(mixing.beta_quantiles(1.0), levels, atol=1e-5)
    expected = np.sin(np.pi * levels / 2) ** 2
    np.testing.assert_allclose(mixing.beta_quantiles(0.5), expected, atol=1e-5)


def test_both_at_once_are_one_or_the_other_and_each_has_its_turn(images):
    config = AugmentConfig(mixup=0.4, cutmix=1.0)
    run = tf.function(lambda seed: mixing.mix(images, seed, config), jit_compile=True)
    blends = []
    for step in range(12):
        mixed, partner, share = (value.numpy() for value in run(tf.constant([1, step])))
        # Blended pixels are of neither image; pasted ones are of one of the two.
        pasted = (mixed == images) | (mixed == images[partner])
        blends.append(not pasted.all())
        assert ((share >= 0) & (share <= 1)).all()
    assert 0 < sum(blends) < 12
    with pytest.raises(ValueError, match="mixup: expected 0 or more, found -1"):
        AugmentConfig(mixup=-1)
