"""In which order the records of an epoch are read: arithmetic on shard lengths.

An epoch of a worker is its shards in a random order, read in groups of
`files_at_once` that take turns of `CHUNK` records. The stream of records is cut into
windows that are shuffled each by itself, so any place in it can be found again
from the lengths alone.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from glrtf.data.shards import CHUNK


@dataclasses.dataclass(frozen=True)
class EpochPlan:
    """What to read for the rest of an epoch.

    Attributes:
        epoch: Which epoch, from 0.
        shards: int64 (n,), shard indices in order; groups are cut from the front.
        starts: int64 (n,), the first record wanted of each.
        drop: Records to drop of the stream that this gives.
        window: Number of the window that begins after them.
    """

    epoch: int
    shards: np.ndarray
    starts: np.ndarray
    drop: int = 0
    window: int = 0


def shard_order(
    num_shards: int, seed: int, epoch: int, worker: int = 0, num_workers: int = 1
) -> np.ndarray:
    """A worker's shards of an epoch, shuffled; int64 (n,).

    Over all workers every shard appears once, and workers' shares differ by at
    most one shard.
    """
    generator = np.random.default_rng([seed, epoch])
    return generator.permutation(num_shards)[worker::num_workers].astype(np.int64)


def plans(
    lengths: Sequence[int],
    *,
    seed: int,
    worker: int,
    num_workers: int,
    files_at_once: int,
    window: int,
    skip: int,
) -> Iterator[EpochPlan]:
    """Yields the epochs of a worker without end, from the record after `skip`.

    Args:
        lengths: Records of each shard.
        seed: Gives the order.
        worker: Which worker, from 0.
        num_workers: How many there are.
        files_at_once: Shards of a group.
        window: Records of a window.
        skip: Records that were delivered before; the first plan begins with
            the window that holds the next one.
    """
    sizes = np.asarray(lengths, np.int64)
    epoch = 0
    while True:
        order = shard_order(len(sizes), seed, epoch, worker, num_workers)
        total = int(sizes[order].sum())
        if skip < total:
            yield _resume(epoch, order, sizes[order], files_at_once, window, skip // window)
        skip = max(0, skip - total)
        epoch += 1


def window_start(
    lengths: Sequence[int], *, seed: int, worker: int, num_workers: int, window: int, skip: int
) -> int:
    """How many of the `skip` records come before the window that the next one is in."""
    before, epoch = 0, 0
    while True:
        total = sum(lengths[i] for i in shard_order(len(lengths), seed, epoch, worker, num_workers))
        if skip < before + total:
            return before + (skip - before) // window * window
        before += total
        epoch += 1


def _resume(
    epoch: int, order: np.ndarray, sizes: np.ndarray, files_at_once: int, window: int, at: int
) -> EpochPlan:
    """The plan that begins with window number `at`."""
    wanted = at * window
    first = 0
    while wanted >= (group := int(sizes[first : first + files_at_once].sum())) and wanted:
        wanted -= group
        first += files_at_once
    rounds = _whole_rounds(sizes[first : first + files_at_once], wanted)
    starts = np.zeros(len(order) - first, np.int64)
    starts[:files_at_once] = np.minimum(rounds * CHUNK, sizes[first : first + files_at_once])
    return EpochPlan(epoch, order[first:], starts, wanted - int(starts.sum()), at)


def _whole_rounds(sizes: np.ndarray, records: int) -> int:
    """How many whole rounds of turns a group has done within so many records."""
    low, high = 0, int(sizes.max(initial=0)) // CHUNK + 1
    while low < high:
        middle = (low + high + 1) // 2
        if np.minimum(middle * CHUNK, sizes).sum() <= records:
            low = middle
        else:
            high = middle - 1
    return low
