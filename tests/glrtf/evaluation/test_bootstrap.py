import numpy as np
import pytest

from glrtf.evaluation import bootstrap


def test_interval_is_that_of_the_normal_law_for_many_values():
    # The mean of 4,000 values of variance 1/4 has the standard error 0.5 / sqrt(4000).
    values = np.tile([0.0, 1.0], 2000)
    low, high = bootstrap.mean_interval(values, resamples=2000)
    error = 0.5 / np.sqrt(4000)
    assert low == pytest.approx(0.5 - 1.96 * error, abs=0.1 * error)
    assert high == pytest.approx(0.5 + 1.96 * error, abs=0.1 * error)


def test_interval_covers_the_true_mean_about_as_often_as_it_says():
    generator = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        low, high = bootstrap.mean_interval(generator.random(100), resamples=300, level=0.9)
        covered += low <= 0.5 <= high
    # Binomial(200, 0.9) has the standard deviation 4.2: four of them to either side.
    assert 180 - 17 <= covered <= 180 + 17


def test_a_constant_has_no_spread():
    assert bootstrap.mean_interval(np.full(10, 0.25)) == (0.25, 0.25)


def test_equal_seeds_give_equal_intervals():
    values = np.random.default_rng(0).random(50)
    assert bootstrap.mean_interval(values, seed=3) == bootstrap.mean_interval(values, seed=3)
    assert bootstrap.mean_interval(values, seed=3) != bootstrap.mean_interval(values, seed=4)


def test_any_number_of_resamples():
    assert bootstrap.resampled_means(np.arange(5.0), 33, 0).shape == (33,)
