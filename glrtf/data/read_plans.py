"""All that a training stream reads, as arrays, for readers that cannot run Python.

A host that another process drives runs graphs only. Which records it reads and in which
order follows from the shards' lengths, so this process works it out beforehand, with the
same functions as `glrtf.data.stream`, and hands it over as data.
"""

import dataclasses

import numpy as np

from glrtf.config.data import InputConfig
from glrtf.data import order
from glrtf.data.shards import ShardSet


@dataclasses.dataclass(frozen=True)
class ReadPlan:
    """The records of a stretch of a worker's stream, in the order in which they are read.

    Attributes:
        epochs: int64 (e, 3), for each epoch: its first group, how many groups it has,
            and how many of their records to drop first.
        shards: int64 (g, files_at_once), the shards of each group that are read in turns;
            -1 if a group has fewer.
        starts: int64 (g, files_at_once), the first record wanted of each.
        bounds: int64 (w + 1,), where each window begins among the records, and at last
            where the last one ends.
        order: int64 (records,), for each window the order of its records.
        draws: float64 (w,), for each window the start of its systematic sample in [0, 1).
        draw_order: int64 (records,), for each window the order of the records drawn;
            empty without class-balanced sampling.
        skip: Records to drop of the first window, once it is in order.
    """

    epochs: np.ndarray
    shards: np.ndarray
    starts: np.ndarray
    bounds: np.ndarray
    order: np.ndarray
    draws: np.ndarray
    draw_order: np.ndarray
    skip: int


def read_plan(
    shard_set: ShardSet,
    config: InputConfig,
    *,
    seed: int,
    worker: int,
    num_workers: int,
    skip: int,
    records: int,
    most_broken: int = 0,
) -> ReadPlan:
    """The part of a worker's stream that gives it `records` records.

    Args:
        shard_set: The shards, none of them empty.
        config: How to read.
        seed: Determines the order.
        worker: Which worker, from 0.
        num_workers: How many there are.
        skip: Records that were delivered before.
        records: How many are wanted.
        most_broken: How many may be broken each epoch, whose places later ones take.
    """
    at_once = order.files_at_once(config)
    plans = order.plans(
        shard_set.lengths, config, seed=seed, worker=worker, num_workers=num_workers, skip=skip
    )
    epochs: list[tuple[int, int, int]] = []
    shards: list[np.ndarray] = []
    starts: list[np.ndarray] = []
    windows: list[_Window] = []
    skipped, planned = 0, 0
    for plan in plans:
        if not epochs:
            skipped = plan.skip
        groups = range(0, len(plan.shards), at_once)
        epochs.append((len(shards), len(groups), plan.drop))
        shards.extend(_padded(plan.shards[i : i + at_once], at_once) for i in groups)
        starts.extend(_padded(plan.starts[i : i + at_once], at_once) for i in groups)
        for number, size in enumerate(plan.windows, plan.first_window):
            windows.append(_window(size, [seed, plan.epoch, number], config))
            planned += size
            if planned >= skipped + records + most_broken * (len(epochs) + 1):
                break
        else:
            continue
        break
    return ReadPlan(
        np.array(epochs, np.int64),
        np.stack(shards),
        np.stack(starts),
        np.cumsum([0, *(len(each.order) for each in windows)], dtype=np.int64),
        np.concatenate([each.order for each in windows]),
        np.array([each.draw for each in windows]),
        np.concatenate([each.draw_order for each in windows]),
        skipped,
    )


def plan_in_order(shard_set: ShardSet) -> ReadPlan:
    """The plan of one pass over all records in shard order, without shuffling."""
    count = len(shard_set.shards)
    nothing = np.empty(0, np.int64)
    return ReadPlan(
        epochs=np.array([[0, count, 0]], np.int64),
        shards=np.arange(count, dtype=np.int64)[:, None],
        starts=np.zeros((count, 1), np.int64),
        bounds=nothing,
        order=nothing,
        draws=np.empty(0),
        draw_order=nothing,
        skip=0,
    )


@dataclasses.dataclass(frozen=True)
class _Window:
    """What is random of a window; see `ReadPlan`."""

    order: np.ndarray
    draw: float
    draw_order: np.ndarray


def _window(size: int, seed: list[int], config: InputConfig) -> _Window:
    """Draws as `glrtf.data.stream` and `glrtf.data.sampling` do, one after the other."""
    generator = np.random.default_rng(seed)
    places = generator.permutation(size) if config.shuffle_buffer else np.arange(size)
    if config.sampling == "natural":
        return _Window(places, 0.0, np.empty(0, np.int64))
    return _Window(places, generator.random(), generator.permutation(size))


def _padded(values: np.ndarray, length: int) -> np.ndarray:
    return np.pad(values, (0, length - len(values)), constant_values=-1)
