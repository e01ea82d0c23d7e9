"""Endless encoded records for training: read in turns, shuffled window by window."""

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import NamedTuple, TypeAlias

import numpy as np

from glrtf.config.data import InputConfig
from glrtf.data import order, records
from glrtf.data.records import BadRecords, Record
from glrtf.data.shards import ShardSet

Resample: TypeAlias = Callable[[Sequence[Record], np.random.Generator], list[Record]]
"""From a window's records to as many others, drawn from them."""


class _Window(NamedTuple):
    """Records that are shuffled together.

    Attributes:
        rows: Reads them.
        size: How many they are, while none is broken.
        epoch: Which epoch, from 0.
        number: Which window of it.
        skip: How many to drop once they are shuffled.
    """

    rows: Iterator[Record]
    size: int
    epoch: int
    number: int
    skip: int


def shuffled_records(
    shard_set: ShardSet,
    config: InputConfig,
    bad: BadRecords,
    seed: int,
    worker: int = 0,
    num_workers: int = 1,
    skip: int = 0,
    resample: Resample | None = None,
) -> Iterator[Record]:
    """Yields a worker's records, epoch after epoch.

    Args:
        shard_set: The shards, none of them empty.
        config: How to read.
        bad: Records broken records.
        seed: Determines the order.
        worker: Which worker, from 0.
        num_workers: How many there are.
        skip: Records that were delivered before; they are not read again.
        resample: Draws a window's records; None takes each of them once.
    """
    files_at_once = order.files_at_once(config)
    plans = order.plans(
        shard_set.lengths, config, seed=seed, worker=worker, num_workers=num_workers, skip=skip
    )

    def mixed(rows: list[Record], epoch: int, number: int) -> list[Record]:
        generator = np.random.default_rng([seed, epoch, number])
        return _mixed(rows, generator, bool(config.shuffle_buffer), resample)

    def windows(pool: ThreadPoolExecutor) -> Iterator[_Window]:
        for plan in plans:
            rows = _epoch(plan, shard_set, files_at_once, config.deterministic, bad, pool)
            rows = itertools.islice(rows, plan.drop, None)
            skip = plan.skip
            for number, size in enumerate(plan.windows, plan.first_window):
                yield _Window(itertools.islice(rows, size), size, plan.epoch, number, skip)
                skip = 0

    with ThreadPoolExecutor(files_at_once, thread_name_prefix="read") as pool:
        yield from _handed_out(windows(pool), mixed)


def _handed_out(
    windows: Iterator[_Window], mixed: Callable[[list[Record], int, int], list[Record]]
) -> Iterator[Record]:
    """Yields windows endlessly, each in its own order.

    While one is delivered the next is read at the same pace, so at most one window is in memory.
    """
    ahead: list[Record] = []
    coming = next(windows)
    while True:
        rows = mixed([*ahead, *coming.rows], coming.epoch, coming.number)
        current = deque(rows[coming.skip :])
        del rows  # Lest it hold what was handed out.
        coming, ahead, count = next(windows), [], len(current)
        while current:
            yield current.popleft()
            # At the end of one window the next is there, however much longer it is.
            due = coming.size - coming.size * len(current) // count
            ahead.extend(itertools.islice(coming.rows, due - len(ahead)))


def _mixed(
    rows: list[Record], generator: np.random.Generator, shuffle: bool, resample: Resample | None
) -> list[Record]:
    """A window's records in the order in which they are delivered."""
    if shuffle:
        rows = [rows[place] for place in generator.permutation(len(rows))]
    return resample(rows, generator) if resample and rows else rows


def _epoch(
    plan: order.EpochPlan,
    shard_set: ShardSet,
    files_at_once: int,
    deterministic: bool,
    bad: BadRecords,
    pool: ThreadPoolExecutor,
) -> Iterator[Record]:
    """An epoch's records, group of files after group."""
    for first in range(0, len(plan.shards), files_at_once):
        group = slice(first, first + files_at_once)
        starts = zip(plan.shards[group].tolist(), plan.starts[group].tolist(), strict=True)
        files = [
            records.chunks(shard_set, shard, start, bad)
            for shard, start in starts
            if start < shard_set.lengths[shard]
        ]
        yield from _in_turns(files, deterministic, pool)


def _in_turns(
    files: Sequence[Iterator[list[Record]]], deterministic: bool, pool: ThreadPoolExecutor
) -> Iterator[Record]:
    """A chunk of each file after the other; the next chunk of every file is being read."""
    reading = deque((file, pool.submit(next, file, None)) for file in files)
    while reading:
        if not deterministic:
            wait([chunk for _, chunk in reading], return_when=FIRST_COMPLETED)
            while not reading[0][1].done():
                reading.rotate(-1)
        file, chunk = reading.popleft()
        if (rows := chunk.result()) is not None:
            reading.append((file, pool.submit(next, file, None)))
            yield from rows
