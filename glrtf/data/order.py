"""In which order the records of an epoch are read: arithmetic on shard lengths.

An epoch of a worker is its shards in a random order, read in groups of
`files_at_once` that take turns of `CHUNK` records. The stream of records is cut into
windows that are shuffled separately, so any position in it can be computed from the lengths alone.
The first epoch begins with short windows, so that the first batch need not wait for a full window.
Later ones do not: the same few records would share their batches epoch after epoch, which costs
accuracy. They begin with a window of a random length, so that different records meet even if all
shards are read at once.
"""

import bisect
import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from glrtf.config.data import InputConfig
from glrtf.data.shards import CHUNK

_FIRST_WINDOW = 64


@dataclasses.dataclass(frozen=True)
class EpochPlan:
    """What to read for the rest of an epoch.

    Attributes:
        epoch: Which epoch, from 0.
        shards: int64 (n,), shard indices in order; groups are cut from the front.
        starts: int64 (n,), the first record wanted of each.
        drop: Records to drop of the stream that this gives.
        first_window: Number of the window that begins after them, in the epoch.
        windows: Records of that window and of each one after it.
        skip: Records to drop of the first window, once it is shuffled.
    """

    epoch: int
    shards: np.ndarray
    starts: np.ndarray
    drop: int
    first_window: int
    windows: list[int]
    skip: int


def window_bounds(total: int, window: int, seed: int, epoch: int) -> list[int]:
    """Where the windows of an epoch of `total` records begin, and at last `total`.

    Args:
        total: Records of the epoch.
        window: Records of a window; if there are no more, later epochs are one window.
        seed: Determines the length of later epochs' first windows.
        epoch: Which epoch, from 0. The first one's windows grow from 64 records.
    """
    bounds = [0]
    if epoch == 0:
        size = _FIRST_WINDOW
        while size < window and bounds[-1] < total:
            bounds.append(bounds[-1] + size)
            size *= 2
    elif total > window:
        bounds.append(int(np.random.default_rng([seed, epoch, 0, 1]).integers(1, window + 1)))
    bounds.extend(range(bounds[-1] + window, total, window))
    return [*(bound for bound in bounds if bound < total), total]


def shard_order(
    num_shards: int, seed: int, epoch: int, worker: int = 0, num_workers: int = 1
) -> np.ndarray:
    """A worker's shards of an epoch, shuffled; int64 (n,).

    Over all workers every shard appears once, and workers' shares differ by at
    most one shard.
    """
    generator = np.random.default_rng([seed, epoch])
    return generator.permutation(num_shards)[worker::num_workers].astype(np.int64)


def files_at_once(config: InputConfig) -> int:
    """How many shards are read in turns: one at a time where records are not shuffled."""
    return config.files_at_once if config.shuffle_buffer else 1


def plans(
    lengths: Sequence[int],
    config: InputConfig,
    *,
    seed: int,
    worker: int,
    num_workers: int,
    skip: int,
) -> Iterator[EpochPlan]:
    """Yields the epochs of a worker endlessly, from the record after `skip`.

    Args:
        lengths: Records of each shard.
        config: How to read: shards of a group, and records of a window.
        seed: Determines the order.
        worker: Which worker, from 0.
        num_workers: How many there are.
        skip: Records that were delivered before; the first plan begins with
            the window that holds the next one.
    """
    sizes = np.asarray(lengths, np.int64)
    window = config.shuffle_buffer or CHUNK
    epoch = 0
    while True:
        order = shard_order(len(sizes), seed, epoch, worker, num_workers)
        total = int(sizes[order].sum())
        if skip < total:
            bounds = window_bounds(total, window, seed, epoch)
            yield _resume(epoch, order, sizes[order], files_at_once(config), bounds, skip)
        skip = max(0, skip - total)
        epoch += 1


def _resume(
    epoch: int,
    order: np.ndarray,
    sizes: np.ndarray,
    group_size: int,
    bounds: Sequence[int],
    skip: int,
) -> EpochPlan:
    """The plan for the rest of an epoch after `skip` records."""
    number = bisect.bisect_right(bounds, skip) - 1
    begin = wanted = bounds[number]
    first = 0
    while wanted >= (group := int(sizes[first : first + group_size].sum())) and wanted:
        wanted -= group
        first += group_size
    rounds = _whole_rounds(sizes[first : first + group_size], wanted)
    starts = np.zeros(len(order) - first, np.int64)
    starts[:group_size] = np.minimum(rounds * CHUNK, sizes[first : first + group_size])
    drop = wanted - int(starts.sum())
    windows = np.diff(bounds[number:]).tolist()
    return EpochPlan(epoch, order[first:], starts, drop, number, windows, skip - begin)


def _whole_rounds(sizes: np.ndarray, records: int) -> int:
    """How many complete rounds of turns a group has finished after that many records."""
    low, high = 0, int(sizes.max(initial=0)) // CHUNK + 1
    while low < high:
        middle = (low + high + 1) // 2
        if np.minimum(middle * CHUNK, sizes).sum() <= records:
            low = middle
        else:
            high = middle - 1
    return low
