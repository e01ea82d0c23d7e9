"""Training batches for every replica, labels checked on the host."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypedDict

import tensorflow as tf

from glrtf.config.data import InputConfig
from glrtf.config.training import TrainConfig
from glrtf.data.augmentation import Augmentation as Augmentation
from glrtf.data.graph_pipeline import graph_batches
from glrtf.data.input_pipeline import plain_errors, train_batches
from glrtf.data.shards import ShardSet
from glrtf.data.teacher_rows import least_label, open_teacher
from glrtf.training.strategy import drives_other_hosts
from tfrecords_tools.errors import UserError

_LABEL_TEXT = "label: expected 0 to"


class ReadSettings(TypedDict):
    """The arguments of both readers."""

    size: int
    batch_size: int
    seed: int
    config: InputConfig
    worker: int
    num_workers: int
    start_step: int


def distributed_batches(
    strategy: tf.distribute.Strategy,
    shards: ShardSet,
    config: TrainConfig,
    size: int,
    num_classes: int,
    start_update: int,
    end_update: int,
) -> Iterator:
    """Batches, one per replica and step, read by each host from its own shards.

    If this process drives other hosts, they read by graphs of TensorFlow operations: Python code
    would run here and feed them all. These graphs look up no rows of another descriptor.

    Args:
        strategy: The strategy that consumes them.
        shards: The train split.
        config: Batch size, seed, and how to read.
        size: Side of the images in pixels.
        num_classes: Labels must be below this.
        start_update: Updates whose batches have been used already.
        end_update: The last update; there may be more batches.

    Raises:
        UserError: If such hosts are to look up rows, or the set of rows is not complete.
    """
    by_graph = drives_other_hosts(strategy)
    if by_graph and config.distill.rows:
        raise UserError(
            f"--distill.rows: expected none with --tpu {config.tpu}, whose hosts run no Python to "
            f"look rows up, found {config.distill.rows}; train on the TPU's own machine"
        )
    teacher = open_teacher(config)

    def of_host(context: tf.distribute.InputContext) -> tf.data.Dataset:
        replicas = context.num_replicas_in_sync // context.num_input_pipelines
        settings: ReadSettings = {
            "size": size,
            "batch_size": config.batch_size,
            "seed": config.seed,
            "config": config.input,
            "worker": context.input_pipeline_id,
            "num_workers": context.num_input_pipelines,
            "start_step": start_update * replicas,
        }
        if by_graph:
            steps = (end_update - start_update) * replicas
            batches = graph_batches(shards, steps=steps, **settings)
        else:
            batches = train_batches(shards, **settings, teacher=teacher)
        return batches.map(
            lambda images, labels, *rows: (
                images,
                check_labels(labels, num_classes, least_label(config)),
                *rows,
            )
        )

    return iter(strategy.distribute_datasets_from_function(of_host))


def check_labels(labels: tf.Tensor, num_classes: int, least: int = 0) -> tf.Tensor:
    """The labels, or an error that names the first one outside [least, num_classes).

    Runs on the host: accelerators silently read past a matrix's end.
    """
    wrong = tf.boolean_mask(labels, (labels < least) | (labels >= num_classes))
    check = tf.debugging.Assert(
        tf.equal(tf.size(wrong), 0),
        [f"{_LABEL_TEXT} {num_classes - 1}, found", wrong[:1]],
    )
    with tf.control_dependencies([check] if check is not None else []):
        return tf.identity(labels)


@contextmanager
def readable_errors(folder: str) -> Iterator[None]:
    """Wraps a loop over batches: errors in the data are raised as `UserError`."""
    try:
        with plain_errors():
            yield
    except tf.errors.InvalidArgumentError as error:
        if found := re.search(rf"({_LABEL_TEXT} \d+, found)\W+(-?\d+)", error.message):
            raise UserError(
                f"{folder}: {found[1]} {found[2]}; the shards are not those of their "
                "dataset_info.json: build them again"
            ) from None
        raise
    except (tf.errors.NotFoundError, tf.errors.PermissionDeniedError) as error:
        reason = re.sub(r"\{\{.*?\}\} *| \[Op:.*", "", error.message.partition("\n")[0])
        raise UserError(
            f"{folder}: expected shards that every host reads at this path, found: {reason[:300]}; "
            "use a folder on gs://, or have the same one on each host"
        ) from None
