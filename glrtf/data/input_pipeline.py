"""From shards to batches of uint8 images.

Encoded bytes are shuffled, then decoded and resized; the rest of the work
(augmentation, scaling) belongs to the device.
"""

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import tensorflow as tf

from glrtf.config.data import InputConfig
from glrtf.data import canvas, decoding, records, sampling
from glrtf.data.decoding import Shaper
from glrtf.data.records import BadRecords
from glrtf.data.shards import ShardSet, open_shards
from glrtf.data.stream import shuffled_records
from tfrecords_tools.errors import UserError

Dataset: TypeAlias = tf.data.Dataset
Tensor: TypeAlias = tf.Tensor


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
    without reading what comes before. Class-balanced sampling changes how often
    records come, and a resumed stream then begins near that place.

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
        Elements (images uint8 (batch_size, size, size, 3), labels int32 (batch_size,)); with
        ``device-resize`` the images are canvases, uint8 (batch_size, canvas + 1, canvas, 3).
        `float_images` takes either.

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
    repeat = None
    if config.sampling != "natural":
        counts = shard_set.class_counts()
        repeat = sampling.repeater(counts, config.sampling, seed, shard_set.schema)
    stream = shuffled_records(
        shard_set, config, bad, seed, worker, num_workers, start_step * batch_size, repeat
    )
    images = _decoded(stream, shard_set, _shaper(config, size), bad, config.deterministic)
    batches = images.map(lambda image: (image["image"], image["label"])).batch(
        batch_size, drop_remainder=True
    )
    return _with_options(batches, config.deterministic)


def eval_batches(
    data: str | ShardSet,
    *,
    size: int | Sequence[int],
    batch_size: int,
    split: str = "train",
    bad: BadRecords | None = None,
) -> Dataset:
    """One pass in the order of the shards, with no randomness; the last batch may be small.

    Args:
        data: A data folder or its shards.
        size: Side of the images in pixels; several give each image in all of them,
            decoded once.
        batch_size: Images of a batch.
        split: Which split, where `data` is a folder.
        bad: Takes note of broken records; None refuses the first.

    Returns:
        Elements with ``image`` uint8 (b, size, size, 3), or a tuple of such, ``image_id``
        string (b,) and ``label`` int32 (b,), -1 where there is none.
    """
    shard_set = open_shards(data, split) if isinstance(data, str) else data
    bad = bad if bad is not None else BadRecords(0)
    shards = tf.data.Dataset.range(len(shard_set.shards))
    stream = shards.flat_map(lambda i: records.chunks(shard_set, i, tf.constant(0, tf.int64), bad))
    images = _decoded(stream.unbatch(), shard_set, _exact_shaper(size), bad, deterministic=True)
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


def float_images(images: Tensor, size: int, config: InputConfig) -> Tensor:
    """What `train_batches` gives as images to float32 (b, size, size, 3) in [0, 1], on the device.

    Args:
        images: uint8, resized images or canvases.
        size: Side of the images in pixels.
        config: As given to `train_batches`.
    """
    if config.image_mode == "device-resize":
        return canvas.resize(images, size) / 255.0
    return tf.cast(images, tf.float32) / 255.0


def _shaper(config: InputConfig, size: int) -> Shaper:
    if config.image_mode == "device-resize":
        side = config.canvas
        wanted = f"a JPEG or PNG image of at most {side} pixels a side (canvas)"
        shape = tf.TensorShape([side + 1, side, 3])
        return Shaper(shape, lambda image: canvas.put(image, side), wanted)
    if config.exact_resize:
        return _exact_shaper(size)
    shape = tf.TensorShape([size, size, 3])
    return Shaper(shape, lambda image: decoding.fast_resize(image, size))


def _exact_shaper(size: int | Sequence[int]) -> Shaper:
    if isinstance(size, int):
        shape = tf.TensorShape([size, size, 3])
        return Shaper(shape, lambda image: decoding.resize(image, size))
    shapes = tuple(tf.TensorShape([each, each, 3]) for each in size)
    return Shaper(shapes, lambda image: tuple(decoding.resize(image, each) for each in size))


def _decoded(
    stream: Dataset, shard_set: ShardSet, shaper: Shaper, bad: BadRecords, deterministic: bool
) -> Dataset:
    """Records to dicts of ``image``, ``image_id`` and ``label``; broken ones noted and left out."""

    def decode(data: Tensor, shard: Tensor, position: Tensor) -> tuple[Tensor, ...]:
        return decoding.decode_record(data, shard_set.schema, shaper), shard, position

    def keep(record: dict[str, Tensor], shard: Tensor, position: Tensor) -> Tensor:
        return decoding.keep_whole(record, shard, position, shard_set, shaper.wanted, bad)

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
