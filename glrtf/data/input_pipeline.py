"""From shards to batches of uint8 images.

Encoded bytes are shuffled, then decoded and resized; the rest of the work
(augmentation, scaling) belongs to the device.
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import tensorflow as tf

from glrtf.config.data import InputConfig
from glrtf.data.augmentation import float_images as float_images
from glrtf.data.host_batches import evaluation_batches, training_reader
from glrtf.data.input_spec import InputSpec
from glrtf.data.records import BadRecords
from glrtf.data.shards import ShardSet, open_shards
from glrtf.data.teacher_rows import TeacherRows
from tfrecords_tools.errors import UserError

Dataset: TypeAlias = tf.data.Dataset
Tensor: TypeAlias = tf.Tensor

GRAPH_ERROR_END = " |"
"""Marks the end of the text of an error from a graph: TensorFlow appends more to it."""


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
    teacher: TeacherRows | None = None,
) -> Dataset:
    """Endless shuffled batches for training.

    Every record occurs exactly once per epoch over all workers; a batch may contain the end of one
    epoch and the beginning of the next, so none is left out. With ``config.deterministic`` equal
    seeds give equal batches, and a stream started at `start_step` continues like the full stream
    (while no record is broken), without reading what comes before. Class-balanced sampling changes
    which records occur, not how many.

    Args:
        data: A data folder or its train shards.
        size: Side of the images in pixels.
        batch_size: Images of a batch, of this worker.
        seed: Determines the order.
        config: How to read.
        worker: Which host this is, from 0; shards are assigned by file.
        num_workers: How many hosts read.
        start_step: Batches to skip.
        bad: Records broken records; None makes one from the config's limit.
        teacher: Returns the images' rows of another descriptor.

    Returns:
        Elements (images uint8 (batch_size, size, size, 3), labels int32 (batch_size,)); with
        ``device-resize`` the images are padded, uint8 (batch_size, canvas + 1, canvas, 3).
        `float_images` accepts both. With a teacher, rows float32 (batch_size, width) come third.

    Raises:
        UserError: If there are no shards, or fewer than workers. While reading,
            see `plain_errors`.
    """
    reader = training_reader(
        open_shards(data) if isinstance(data, str) else data,
        size=size,
        batch_size=batch_size,
        seed=seed,
        config=config or InputConfig(),
        worker=worker,
        num_workers=num_workers,
        start_step=start_step,
        bad=bad,
        teacher=teacher,
    )
    images = tf.TensorSpec([batch_size, *reader.shape], tf.uint8)
    labels = tf.TensorSpec([batch_size], tf.int32)
    rows = [tf.TensorSpec([batch_size, teacher.width], tf.float32)] if teacher else []
    return _dataset(reader.batches, (images, labels, *rows))


def eval_batches(
    data: str | ShardSet,
    *,
    size: int | InputSpec | Sequence[InputSpec],
    batch_size: int,
    split: str = "train",
    bad: BadRecords | None = None,
) -> Dataset:
    """One pass in the order of the shards, with no randomness; the last batch may be small.

    Args:
        data: A data folder or its shards.
        size: Side of the images in pixels, or the full description of how they are made; with
            several, each image is decoded once and made in all of these ways.
        batch_size: Images of a batch.
        split: Which split, where `data` is a folder.
        bad: Records broken records; None refuses the first one.

    Returns:
        Elements with ``image`` uint8 (b, size, size, 3), or a tuple of such, ``image_id``
        string (b,) and ``label`` int32 (b,), -1 if there is none.
    """
    shard_set = open_shards(data, split) if isinstance(data, str) else data
    bad = bad if bad is not None else BadRecords(0)
    is_one = isinstance(size, int | InputSpec)
    specs = [_spec(size)] if isinstance(size, int | InputSpec) else size

    def generate() -> Iterator[dict[str, Any]]:
        for batch in evaluation_batches(shard_set, specs, batch_size, bad):
            images = batch.images[0] if is_one else batch.images
            yield {"image": images, "image_id": batch.image_ids, "label": batch.labels}

    images = tuple(tf.TensorSpec([None, *each.shape], tf.uint8) for each in specs)
    signature = {
        "image": images[0] if is_one else images,
        "image_id": tf.TensorSpec([None], tf.string),
        "label": tf.TensorSpec([None], tf.int32),
    }
    return _dataset(generate, signature)


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Wraps a loop over batches, so that the reader's own exceptions are raised.

    TensorFlow wraps an exception from its threads in its own, with the text of
    the traceback; this finds the `UserError` in it again.
    """
    try:
        yield
    except tf.errors.OpError as error:
        text = rf"UserError: (.+?)(?:{re.escape(GRAPH_ERROR_END)}|\n|$)"
        if found := re.search(text, error.message):
            raise UserError(found[1].strip()) from None
        raise


def _spec(size: int | InputSpec) -> InputSpec:
    return InputSpec(size) if isinstance(size, int) else size


def _dataset(generate: Callable[[], Iterator[Any]], signature: Any) -> Dataset:
    options = tf.data.Options()
    # Shards are assigned to workers here, not by tf.distribute.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    made = tf.data.Dataset.from_generator(generate, output_signature=signature)
    return made.prefetch(1).with_options(options)
