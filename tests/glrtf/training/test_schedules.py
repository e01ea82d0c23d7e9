import math

import numpy as np
import pytest

from glrtf.training.pictures import plot_schedule
from glrtf.training.plan import plan_run
from glrtf.training.schedules import make_schedule


def rates(schedule, updates):
    return [float(schedule(u)) for u in updates]


def test_cosine_rises_evenly_and_falls_to_zero():
    # Warm-up 10 updates to 2.0; then half a cosine over the 90 that are left.
    schedule = make_schedule("cosine", 2.0, total_updates=100, updates_per_epoch=10)
    expected = [0.0, 1.0, 2.0, 2 * 0.5 * (1 + math.cos(math.pi / 3)), 1.0, 0.0]
    np.testing.assert_allclose(rates(schedule, [0, 5, 10, 40, 55, 100]), expected, atol=1e-6)


def test_a_warm_up_takes_at_most_half_the_run():
    schedule = make_schedule("cosine", 2.0, total_updates=8, updates_per_epoch=100)
    assert rates(schedule, [4, 8]) == pytest.approx([2.0, 0.0], abs=1e-6)


def test_without_warm_up_cosine_starts_at_the_peak():
    schedule = make_schedule(
        "cosine", 2.0, total_updates=10, updates_per_epoch=5, warmup_epochs=0.0
    )
    assert rates(schedule, [0, 5]) == pytest.approx([2.0, 1.0])


def test_exponential_ramps_four_units_and_then_decays_by_a_tenth_a_unit():
    # A unit is a third of an epoch: 3 updates of 9. Halfway up: (1e-6 + 2e-3) / 2 and so on.
    schedule = make_schedule("exponential", 2e-3, total_updates=99, updates_per_epoch=9)
    expected = [1e-6, 1e-6 + (2e-3 - 1e-6) / 2, 2e-3, 2e-3 * 0.9, 2e-3 * 0.9**5]
    np.testing.assert_allclose(rates(schedule, [0, 6, 12, 15, 27]), expected, rtol=1e-5)


def test_an_unknown_schedule_is_named():
    with pytest.raises(ValueError, match="found 'linear'"):
        make_schedule("linear", 1.0, total_updates=1, updates_per_epoch=1)


def test_the_plot_is_a_png(tmp_path):
    plan = plan_run(100, 10, [(32, 1), (64, 1)])
    schedule = make_schedule("cosine", 1.0, total_updates=20, updates_per_epoch=10)
    plot_schedule(schedule, plan, str(tmp_path / "plot.png"))
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
