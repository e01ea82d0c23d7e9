"""Records of shards in the order of a read plan, by TensorFlow operations alone.

A `tf.data` function that fails ends its dataset. Every function here that may fail on broken
data runs in a dataset of its own, of one element, followed by a substitute.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from glrtf.config.data import InputConfig
from glrtf.data.read_plans import ReadPlan
from glrtf.data.shards import CHUNK, ShardSet
from tfrecords_tools import schema

Dataset: TypeAlias = tf.data.Dataset
Tensor: TypeAlias = tf.Tensor

_READ_BYTES = 1 << 20


def or_substitute(value: Tensor, make: Callable[[Tensor], Any], substitute: Any) -> Dataset:
    """A dataset of one element: the result for a value, or the substitute if that fails."""
    made = Dataset.from_tensors(value).map(make).ignore_errors()
    return made.concatenate(Dataset.from_tensors(substitute)).take(1)


def records(shard_set: ShardSet, plan: ReadPlan, config: InputConfig) -> Dataset:
    """Elements (shard int64, position int64, data string) in the order of reading.

    Data is empty for a record that could not be read.
    """
    paths = tf.constant([shard.path for shard in shard_set.shards])
    lengths = tf.constant(shard_set.lengths, tf.int64)
    shards, starts = tf.constant(plan.shards), tf.constant(plan.starts)
    at_once = plan.shards.shape[1]

    def of_shard(shard: Tensor, start: Tensor) -> Dataset:
        # Detects a file that cannot be opened: `ignore_errors` would retry forever.
        opened = tf.data.FixedLengthRecordDataset(paths[shard], 1).take(1)
        file = tf.data.TFRecordDataset(paths[shard], buffer_size=_READ_BYTES).skip(start)
        sound = opened.flat_map(lambda _: file.ignore_errors(log_warning=True))
        # After damage TensorFlow reads nothing more; every record still keeps its position.
        lost = Dataset.from_tensors(b"").repeat()
        rows = sound.concatenate(lost).take(lengths[shard] - start)
        return rows.enumerate(start).map(lambda position, data: (shard, position, data))

    def of_group(group: Tensor) -> Dataset:
        files = Dataset.from_tensor_slices((shards[group], starts[group]))
        files = files.filter(lambda shard, start: shard >= 0 and start < lengths[shard])
        return files.interleave(
            of_shard,
            cycle_length=at_once,
            block_length=CHUNK,
            num_parallel_calls=at_once,
            deterministic=config.deterministic,
        )

    def of_epoch(epoch: Tensor) -> Dataset:
        groups = Dataset.range(epoch[0], epoch[0] + epoch[1])
        return groups.flat_map(of_group).skip(epoch[2])

    return Dataset.from_tensor_slices(plan.epochs).flat_map(of_epoch)


def shuffled(
    rows: Dataset, plan: ReadPlan, factors: np.ndarray | None, schema_name: str
) -> Dataset:
    """The same elements window by window, each in its own order."""
    bounds, order = tf.constant(plan.bounds), tf.constant(plan.order)
    draws, draw_order = tf.constant(plan.draws), tf.constant(plan.draw_order)

    def window_of(place: Tensor, _: Any) -> Tensor:
        return tf.searchsorted(bounds, place[tf.newaxis], side="right", out_type=tf.int64)[0] - 1

    def length(window: Tensor) -> Tensor:
        return bounds[window + 1] - bounds[window]

    def whole(window: Tensor, rows: Dataset) -> Dataset:
        rows = rows.map(lambda _, row: row).batch(length(window))
        return rows.map(lambda *columns: in_order(window, columns))

    def in_order(window: Tensor, columns: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        part = slice(bounds[window], bounds[window + 1])
        places = order[part]
        if factors is not None:
            rates = tf.gather(columns[3], places)
            places = tf.gather(places, _drawn(rates, draws[window], draw_order[part]))
        return tuple(tf.gather(column, places) for column in columns[:3])

    if factors is not None:
        rows = _with_factors(rows, factors, schema_name)
    # TensorFlow groups elements by a key; here groups follow one another.
    windows = rows.take(int(plan.bounds[-1])).enumerate()
    windows = windows.group_by_window(window_of, whole, window_size_func=length)
    return windows.prefetch(1).unbatch().skip(plan.skip)


def _with_factors(records: Dataset, factors: np.ndarray, schema_name: str) -> Dataset:
    """Adds how often a record occurs, float64: 1 if its label cannot be read or is invalid."""
    table = tf.constant(factors, tf.float64)

    def factor(data: Tensor) -> Tensor:
        label = schema.parse_example(data, schema_name)["label"]
        known = (label >= 0) & (label < len(factors))
        return tf.where(known, tf.gather(table, tf.where(known, label, 0)), 1.0)

    def with_factor(shard: Tensor, position: Tensor, data: Tensor) -> Dataset:
        found = or_substitute(data, factor, tf.constant(1.0, tf.float64))
        return found.map(lambda rate: (shard, position, data, rate))

    return records.flat_map(with_factor)


def _drawn(rates: Tensor, start: Tensor, order: Tensor) -> Tensor:
    """The draw of `glrtf.data.sampling` from a window's records, int64."""
    ends = tf.cumsum(rates)
    count = tf.size(rates, tf.int64)
    steps = tf.cast(tf.range(count), tf.float64) + start
    marks = steps * (ends[-1] / tf.cast(count, tf.float64))
    chosen = tf.searchsorted(ends, marks, side="right", out_type=tf.int64)
    return tf.gather(tf.minimum(chosen, count - 1), order)
