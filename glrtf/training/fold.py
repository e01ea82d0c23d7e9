"""The validation fold, assigned to the hosts by file; each host reads its own part."""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from glrtf.data.graph_pipeline import graph_eval_batches
from glrtf.data.input_pipeline import eval_batches
from glrtf.data.input_spec import InputSpec
from glrtf.data.shards import ShardSet
from glrtf.training.strategy import drives_other_hosts

Dataset: TypeAlias = tf.data.Dataset
Tensor: TypeAlias = tf.Tensor

FILLING = -1
"""The position of a record that only fills a batch."""


def fold_batches(
    strategy: tf.distribute.Strategy, shards: ShardSet, spec: InputSpec, batch_size: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """One pass over a fold, one batch per replica at each step, every record once.

    All batches are full and all hosts take the same number of steps: missing records are replaced
    by black images of class 0. If this process drives other hosts, they read by graphs.

    Args:
        strategy: The strategy that consumes them.
        shards: The fold.
        spec: How images are made.
        batch_size: Images of a batch.

    Yields:
        Images uint8 (batch_size, size, size, 3), labels int32 (batch_size,) and places int32
        (batch_size,) for each replica: the record's position in the fold, or `FILLING`.
    """
    by_graph = drives_other_hosts(strategy)
    replicas = strategy.num_replicas_in_sync
    rounds: list[int] = []

    def of_host(context: tf.distribute.InputContext) -> Dataset:
        worker, workers = context.input_pipeline_id, context.num_input_pipelines
        parts = [_part(shards, each, workers) for each in range(workers)]
        most = max(len(places) for _, places in parts)
        rounds.append(-(-most // (batch_size * (replicas // workers))))
        own, places = parts[worker]
        return _filled(own, places, spec, batch_size, by_graph)

    batches = iter(strategy.distribute_datasets_from_function(of_host))
    for _ in range(rounds[0]):
        yield next(batches)
    # A shard's digest is compared once a record after its last one is requested.
    next(batches)


def _part(shards: ShardSet, worker: int, workers: int) -> tuple[ShardSet, np.ndarray]:
    """A host's shards, and their records' positions in the fold, int32 (n,)."""
    numbers = range(worker, len(shards.shards), workers)
    starts = np.cumsum([0, *shards.lengths])
    places = [np.arange(starts[n], starts[n + 1], dtype=np.int32) for n in numbers]
    return shards.select(numbers), np.concatenate([np.empty(0, np.int32), *places])


def _filled(
    shards: ShardSet, places: np.ndarray, spec: InputSpec, batch_size: int, by_graph: bool
) -> Dataset:
    """Endless full batches: the records of these shards, then filler."""
    table = tf.constant(places)
    image = [spec.size, spec.size, 3]
    nothing = (
        tf.zeros([batch_size, *image], tf.uint8),
        tf.zeros([batch_size], tf.int32),
        tf.fill([batch_size], FILLING),
    )
    filling = Dataset.from_tensors(nothing).repeat()
    if not len(places):
        return filling

    def fill(number: Tensor, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        start, count = number * batch_size, tf.size(labels, tf.int64)
        rows = images, labels, table[start : start + count]
        parts = [tf.concat([row, none[count:]], 0) for row, none in zip(rows, nothing, strict=True)]
        return tuple(tf.ensure_shape(p, n.shape) for p, n in zip(parts, nothing, strict=True))

    if by_graph:
        read = graph_eval_batches(shards, spec, batch_size)
    else:
        read = eval_batches(shards, size=spec, batch_size=batch_size)
        read = read.map(lambda row: (row["image"], row["label"]))
    batches = read.enumerate().map(lambda number, row: fill(number, *row)).concatenate(filling)
    options = tf.data.Options()
    # Shards are assigned here, not by tf.distribute.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return batches.with_options(options)
