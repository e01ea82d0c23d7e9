"""Where windows begin and end, and that any place of a stream is found again."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glrtf.config.data import InputConfig
from glrtf.data import order


def test_windows_by_hand():
    # The first epoch grows from 64 records: 64, 128, 256, then the full 300.
    assert order.window_bounds(1000, 300, seed=0, epoch=0) == [0, 64, 192, 448, 748, 1000]
    assert order.window_bounds(50, 300, seed=0, epoch=0) == [0, 50]
    # Later ones are one window where they fit.
    assert order.window_bounds(300, 300, seed=0, epoch=1) == [0, 300]
    first, *rest = order.window_bounds(1000, 300, seed=0, epoch=1)[1:]
    assert 1 <= first <= 300
    assert rest == [*range(first + 300, 1000, 300), 1000]


def test_later_epochs_begin_with_windows_of_all_lengths():
    firsts = [order.window_bounds(100, 10, seed=3, epoch=epoch)[1] for epoch in range(1, 200)]
    assert set(firsts) == set(range(1, 11))
    assert firsts != [order.window_bounds(100, 10, seed=4, epoch=e)[1] for e in range(1, 200)]


@settings(max_examples=200, deadline=None)
@given(
    total=st.integers(1, 5000),
    window=st.integers(1, 3000),
    seed=st.integers(0, 2**31),
    epoch=st.integers(0, 50),
)
def test_windows_cut_an_epoch_without_gaps(total, window, seed, epoch):
    bounds = order.window_bounds(total, window, seed, epoch)
    lengths = np.diff(bounds)
    assert (bounds[0], bounds[-1]) == (0, total)
    assert lengths.min() >= 1
    assert lengths.max() <= max(window, 0 if epoch else min(window, 64))
    assert len(lengths) <= 2 + total // window + (0 if epoch else 7)


@pytest.mark.parametrize("skip", [0, 1, 63, 64, 89, 90, 91, 150, 179, 180, 400])
def test_a_plan_that_skips_goes_on_as_the_whole_one(skip):
    sizes = (40, 3, 17, 1, 29)
    config = InputConfig(files_at_once=2, shuffle_buffer=25)
    settings = {"config": config, "seed": 7, "worker": 0, "num_workers": 1}
    epoch, within = divmod(skip, sum(sizes))
    whole = next(itertools.islice(order.plans(sizes, skip=0, **settings), epoch, None))
    resumed = next(order.plans(sizes, skip=skip, **settings))
    assert resumed.epoch == whole.epoch == epoch
    assert resumed.windows == whole.windows[resumed.first_window :]
    assert sum(whole.windows[: resumed.first_window]) + resumed.skip == within
