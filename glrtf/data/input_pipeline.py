"""From shards to batches of uint8 images.

Encoded bytes are shuffled, then decoded and resized; the rest of the work
(augmentation, scaling) belongs to the device.
"""

import contextlib
import re
from collections.abc import Iterator
from typing import TypeAlias

import tensorflow as tf

from glrtf.config.data import InputConfig
from glrtf.data import decoding, order, records
from glrtf.data.records import BadRecords
from glrtf.data.shards import ShardSet, open_shards
from tfrecords_tools.errors import UserError

Dataset: TypeAlias = tf.data.Dataset
Tensor: TypeAlias = tf.Tensor

# Windows are numbered through all epochs; no epoch has so many.
_EPOCH_STRIDE = 1 << 32


def train_batches(
    data: str | ShardSet,
    *,
    size: int,
    batch_size: int,
    seed: int = 0,
    config: InputConfig | None = None,
    worker: int = 0,
    num_workers: int = 1,
    start_step: int = 0,
    bad: BadRecords | None = None,
) -> Dataset:
    """Endless shuffled batches for training.

    Every record comes exactly once an epoch over all workers; a batch may hold
    the end of one epoch and the beginning of the next, so none is left out. With
    ``config.deterministic`` equal seeds give equal batches, and a stream begun at
    `start_step` goes on as the whole one would (while no record is broken),
    without reading what comes before.

    Args:
        data: A data folder or its train shards.
        size: Side of the images in pixels.
        batch_size: Images of a batch, of this worker.
        seed: Gives the order.
        config: How to read.
        worker: Which host this is, from 0; shards are dealt out by file.
        num_workers: How many hosts read.
        start_step: Batches to begin after.
        bad: Takes note of broken records; None makes one from the config's limit.

    Returns:
        Elements (images uint8 (batch_size, size, size, 3), labels int32 (batch_size,)).

    Raises:
        UserError: If there are no shards, or fewer than workers. While reading,
            see `plain_errors`.
    """
    config = config or InputConfig()
    shard_set = (open_shards(data) if isinstance(data, str) else data).without_empty()
    bad = bad if bad is not None else BadRecords(config.max_bad_records)
    if num_workers > len(shard_set.shards):
        raise UserError(
            f"shards: expected at least one for each of {num_workers} workers, found"
            f" {len(shard_set.shards)}; build with more shards"
        )
    stream = _shuffled_records(
        shard_set, config, bad, seed, worker, num_workers, start_step * batch_size
    )
    images = _decoded(stream, shard_set, size, bad, config.deterministic)
    batches = images.map(lambda image: (image["image"], image["label"])).batch(
        batch_size, drop_remainder=True
    )
    return _with_options(batches, config.deterministic)


def eval_batches(
    data: str | ShardSet,
    *,
    size: int,
    batch_size: int,
    split: str = "train",
    bad: BadRecords | None = None,
) -> Dataset:
    """One pass in the order of the shards, with no randomness; the last batch may be small.

    Args:
        data: A data folder or its shards.
        size: Side of the images in pixels.
        batch_size: Images of a batch.
        split: Which split, where `data` is a folder.
        bad: Takes note of broken records; None refuses the first.

    Returns:
        Elements with ``image`` uint8 (b, size, size, 3), ``image_id`` string (b,)
        and ``label`` int32 (b,), -1 where there is none.
    """
    shard_set = open_shards(data, split) if isinstance(data, str) else data
    bad = bad if bad is not None else BadRecords(0)
    shards = tf.data.Dataset.range(len(shard_set.shards))
    stream = shards.flat_map(lambda i: records.chunks(shard_set, i, tf.constant(0, tf.int64), bad))
    images = _decoded(stream.unbatch(), shard_set, size, bad, deterministic=True)
    return _with_options(images.batch(batch_size), deterministic=True)


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Around a loop over batches: what the reader raised comes out as it was.

    TensorFlow wraps an exception from its threads in its own, with the text of
    the traceback; this finds the `UserError` in it again.
    """
    try:
        yield
    except tf.errors.OpError as error:
        if found := re.search(r"UserError: (.+)", error.message):
            raise UserError(found[1].strip()) from None
        raise


def _shuffled_records(
    shard_set: ShardSet,
    config: InputConfig,
    bad: BadRecords,
    seed: int,
    worker: int,
    num_workers: int,
    skip: int,
) -> Dataset:
    """Endless (data, shard, position), shuffled window by window."""
    # While one window is handed out the next is read: two of them make the buffer.
    window = max(1, config.shuffle_buffer // 2)
    shuffle = config.shuffle_buffer > 0
    files_at_once = config.files_at_once if shuffle else 1

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
        cut = groups.flat_map(read_group).unbatch().skip(drop).batch(window).enumerate(first)
        return cut.map(lambda number, rows: (epoch * _EPOCH_STRIDE + number, *rows))

    def shuffled(number: Tensor, *rows: Tensor) -> tuple[Tensor, ...]:
        places = tf.range(tf.shape(rows[0])[0])
        if shuffle:
            run = tf.constant(seed, tf.int64)
            places = tf.random.experimental.stateless_shuffle(places, tf.stack([run, number]))
        return tuple(tf.gather(row, places) for row in rows)

    scalar, several = tf.TensorSpec([], tf.int64), tf.TensorSpec([None], tf.int64)
    epochs = tf.data.Dataset.from_generator(
        plans, output_signature=(scalar, several, several, scalar, scalar)
    )
    stream = epochs.flat_map(windows).map(shuffled).prefetch(1).unbatch()
    return stream.skip(skip - _window_start(shard_set, skip, window, seed, worker, num_workers))


def _window_start(
    shard_set: ShardSet, skip: int, window: int, seed: int, worker: int, num_workers: int
) -> int:
    """How many of the skipped records come before the window that `skip` falls in."""
    before, epoch = 0, 0
    while True:
        mine = order.shard_order(len(shard_set.shards), seed, epoch, worker, num_workers)
        total = sum(shard_set.lengths[i] for i in mine)
        if skip < before + total:
            return before + (skip - before) // window * window
        before += total
        epoch += 1


def _decoded(
    stream: Dataset, shard_set: ShardSet, size: int, bad: BadRecords, deterministic: bool
) -> Dataset:
    """Records to dicts of ``image``, ``image_id`` and ``label``; broken ones noted and left out."""

    def decode(data: Tensor, shard: Tensor, position: Tensor) -> tuple[Tensor, ...]:
        return decoding.decode_record(data, shard_set.schema, size), shard, position

    def keep(record: dict[str, Tensor], shard: Tensor, position: Tensor) -> Tensor:
        return decoding.keep_whole(record, shard, position, shard_set, bad)

    def without_flag(record: dict[str, Tensor], *_: Tensor) -> dict[str, Tensor]:
        return {name: value for name, value in record.items() if name != "ok"}

    tried = stream.map(decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=deterministic)
    return tried.filter(keep).map(without_flag)


def _with_options(batches: Dataset, deterministic: bool) -> Dataset:
    options = tf.data.Options()
    options.deterministic = deterministic
    # Shards are dealt out to workers here, not by tf.distribute.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return batches.prefetch(2).with_options(options)
