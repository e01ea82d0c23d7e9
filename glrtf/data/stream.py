"""Endless encoded records for training: read in turns, shuffled window by window."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import tensorflow as tf

from glrtf.config.data import InputConfig
from glrtf.data import order, records
from glrtf.data.records import BadRecords
from glrtf.data.shards import ShardSet

Dataset: TypeAlias = tf.data.Dataset
Tensor: TypeAlias = tf.Tensor
Repeat: TypeAlias = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]

# Windows are numbered through all epochs; no epoch has so many.
_EPOCH_STRIDE = 1 << 32


def shuffled_records(
    shard_set: ShardSet,
    config: InputConfig,
    bad: BadRecords,
    seed: int,
    worker: int = 0,
    num_workers: int = 1,
    skip: int = 0,
    repeat: Repeat | None = None,
) -> Dataset:
    """A worker's records, epoch after epoch.

    Args:
        shard_set: The shards, none of them empty.
        config: How to read.
        bad: Takes note of broken records.
        seed: Gives the order.
        worker: Which worker, from 0.
        num_workers: How many there are.
        skip: Records that were delivered before; they are not read again.
        repeat: How often a record comes, from (epoch, data, shard, position);
            None for once.

    Returns:
        Elements (data string, shard int64, position int64), scalars.
    """
    # While one window is handed out the next is read: two of them make the buffer.
    window = max(1, config.shuffle_buffer // 2)
    files_at_once = config.files_at_once if config.shuffle_buffer else 1

    def plans() -> Iterator[tuple[object, ...]]:
        for plan in order.plans(
            shard_set.lengths,
            seed=seed,
            worker=worker,
            num_workers=num_workers,
            files_at_once=files_at_once,
            window=window,
            skip=skip,
        ):
            yield plan.epoch, plan.shards, plan.starts, plan.drop, plan.window

    def read_group(shards: Tensor, starts: Tensor) -> Dataset:
        return tf.data.Dataset.from_tensor_slices((shards, starts)).interleave(
            lambda shard, start: records.chunks(shard_set, shard, start, bad),
            cycle_length=files_at_once,
            num_parallel_calls=files_at_once,
            deterministic=config.deterministic,
        )

    def windows(
        epoch: Tensor, shards: Tensor, starts: Tensor, drop: Tensor, first: Tensor
    ) -> Dataset:
        groups = tf.data.Dataset.from_tensor_slices((shards, starts)).batch(files_at_once)
        cut = groups.flat_map(read_group).unbatch().skip(drop)
        if repeat is not None:
            cut = cut.flat_map(lambda *row: _repeated(row, repeat(epoch, *row)))
        numbered = cut.window(window).enumerate(first)
        return numbered.map(lambda number, rows: (epoch * _EPOCH_STRIDE + number, rows))

    def shuffled(number: Tensor, rows: tuple[Dataset, ...]) -> Dataset:
        together = tf.data.Dataset.zip(rows)
        if not config.shuffle_buffer:
            return together
        # Two seeds in one: the run's and the window's. Dataset.shuffle would not do: it fails on
        # a tensor as seed after tf.random.set_seed(0), and its order depends on that seed.
        mixed = tf.random.fold_in(tf.constant([seed, 0], tf.int64), number)
        return together.batch(window).map(lambda *columns: _permuted(columns, mixed)).unbatch()

    scalar, several = tf.TensorSpec([], tf.int64), tf.TensorSpec([None], tf.int64)
    epochs = tf.data.Dataset.from_generator(
        plans, output_signature=(scalar, several, several, scalar, scalar)
    )
    stream = epochs.flat_map(windows).prefetch(1).flat_map(shuffled)
    done = order.window_start(
        shard_set.lengths,
        seed=seed,
        worker=worker,
        num_workers=num_workers,
        window=window,
        skip=skip,
    )
    return stream.skip(skip - done)


def _permuted(columns: tuple[Tensor, ...], seed: Tensor) -> tuple[Tensor, ...]:
    """The same permutation of all columns' rows."""
    rows = tf.range(tf.shape(columns[0])[0])
    order = tf.random.experimental.stateless_shuffle(rows, seed=seed)
    return tuple(tf.gather(column, order) for column in columns)


def _repeated(row: tuple[Tensor, ...], times: Tensor) -> Dataset:
    return tf.data.Dataset.from_tensors(row).repeat(times)
