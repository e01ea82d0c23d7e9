"""From shards to batches of uint8 images.

Encoded bytes are shuffled, then decoded and resized; the rest of the work
(augmentation, scaling) belongs to the device.
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from glrtf.config.data import InputConfig
from glrtf.data import decoding, loading, padded_images, records
from glrtf.data.decoding import decode_on_host
from glrtf.data.input_spec import ForeignSpec, InputSpec
from glrtf.data.loading import Shaper
from glrtf.data.records import BadRecords
from glrtf.data.resizers import host_resizer
from glrtf.data.sampling import resampler
from glrtf.data.shards import ShardSet, open_shards
from glrtf.data.stream import shuffled_records
from tfrecords_tools import images as image_files
from tfrecords_tools.errors import UserError

Dataset: TypeAlias = tf.data.Dataset
Tensor: TypeAlias = tf.Tensor

GRAPH_ERROR_END = " |"
"""Ends an error's text that a graph asserts: TensorFlow prints more behind it."""


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
    ``config.deterministic`` equal seeds give equal batches, and a stream started at
    `start_step` goes on as the whole one would (while no record is broken),
    without reading what comes before. Class-balanced sampling changes which
    records come, not how many.

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
        ``device-resize`` the images are padded, uint8 (batch_size, canvas + 1, canvas, 3).
        `float_images` takes either.

    Raises:
        UserError: If there are no shards, or fewer than workers. While reading,
            see `plain_errors`.
    """
    config = config or InputConfig()
    shard_set = (open_shards(data) if isinstance(data, str) else data).without_empty()
    bad = bad if bad is not None else BadRecords(config.max_bad_records, "--input.max_bad_records")
    _refuse_idle_workers(shard_set, num_workers)
    resample = None
    if config.sampling != "natural":
        resample = resampler(shard_set.class_counts(), config.sampling, shard_set.schema)
    shaper = _shaper(config, size)

    def generate() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        stream = shuffled_records(
            shard_set, config, bad, seed, worker, num_workers, start_step * batch_size, resample
        )
        for batch in loading.batches(stream, shard_set, shaper, batch_size, bad, full=True):
            yield batch.images[0], batch.labels

    images = tf.TensorSpec([batch_size, *shaper.shapes[0]], tf.uint8)
    return _dataset(generate, (images, tf.TensorSpec([batch_size], tf.int32)))


def _refuse_idle_workers(shard_set: ShardSet, num_workers: int) -> None:
    if num_workers > len(shard_set.shards):
        raise UserError(
            f"shards: expected at least one for each of {num_workers} workers, found"
            f" {len(shard_set.shards)}; build with more shards"
        )


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
        size: Side of the images in pixels, or all of how they are made; several give each
            image in all of them, decoded once.
        batch_size: Images of a batch.
        split: Which split, where `data` is a folder.
        bad: Takes note of broken records; None refuses the first.

    Returns:
        Elements with ``image`` uint8 (b, size, size, 3), or a tuple of such, ``image_id``
        string (b,) and ``label`` int32 (b,), -1 if there is none.
    """
    shard_set = open_shards(data, split) if isinstance(data, str) else data
    bad = bad if bad is not None else BadRecords(0)
    is_one = isinstance(size, int | InputSpec)
    shaper = _exact_shaper([_spec(size)] if isinstance(size, int | InputSpec) else size)

    def generate() -> Iterator[dict[str, Any]]:
        stream = records.in_order(shard_set, bad)
        for batch in loading.batches(stream, shard_set, shaper, batch_size, bad, full=False):
            images = batch.images[0] if is_one else batch.images
            yield {"image": images, "image_id": batch.image_ids, "label": batch.labels}

    specs = tuple(tf.TensorSpec([None, *shape], tf.uint8) for shape in shaper.shapes)
    signature = {
        "image": specs[0] if is_one else specs,
        "image_id": tf.TensorSpec([None], tf.string),
        "label": tf.TensorSpec([None], tf.int32),
    }
    return _dataset(generate, signature)


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Around a loop over batches: what the reader raised comes out as it was.

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


def float_images(images: Tensor, size: int, config: InputConfig) -> Tensor:
    """What `train_batches` gives as images to float32 (b, size, size, 3) in [0, 1], on the device.

    Args:
        images: uint8, resized or padded images.
        size: Side of the images in pixels.
        config: As given to `train_batches`.
    """
    if config.image_mode == "device-resize":
        return padded_images.resize(images, size, config.antialias) / 255.0
    return tf.cast(images, tf.float32) / 255.0


def _shaper(config: InputConfig, size: int) -> Shaper:
    if config.image_mode == "device-resize":
        side = config.canvas
        wanted = f"a JPEG or PNG image of at most {side} pixels a side (--input.canvas)"
        shape = (side + 1, side, 3)

        def lay(encoded: bytes, places: Sequence[np.ndarray]) -> None:
            padded_images.decode(image_files.shrink(encoded, config.max_side), places[0])

        return Shaper([shape], lay, wanted)
    spec = InputSpec.of(config, size)
    if config.exact_resize:
        return _exact_shaper([spec])
    fast = decoding.fast_resize(size, config.antialias)

    def fill(encoded: bytes, places: Sequence[np.ndarray]) -> None:
        fast(decode_on_host(image_files.shrink(encoded, spec.max_side)), places[0])

    return Shaper([(size, size, 3)], fill)


def _exact_shaper(specs: Sequence[InputSpec]) -> Shaper:
    # TensorFlow resizes as `numpy_resize` does, bit for bit, and large photos faster.
    resizes = [
        host_resizer(each)
        if isinstance(each, ForeignSpec)
        else decoding.exact_resize(each.size, each.antialias)
        for each in specs
    ]

    def fill(encoded: bytes, places: Sequence[np.ndarray]) -> None:
        decoded: dict[int | None, np.ndarray] = {}
        for spec, resize, place in zip(specs, resizes, places, strict=True):
            if spec.max_side not in decoded:
                shrunk = image_files.shrink(encoded, spec.max_side)
                decoded[spec.max_side] = decode_on_host(shrunk)
            resize(decoded[spec.max_side], place)

    return Shaper([each.shape for each in specs], fill)


def _spec(size: int | InputSpec) -> InputSpec:
    return InputSpec(size) if isinstance(size, int) else size


def _dataset(generate: Callable[[], Iterator[Any]], signature: Any) -> Dataset:
    options = tf.data.Options()
    # Shards are dealt out to workers here, not by tf.distribute.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    made = tf.data.Dataset.from_generator(generate, output_signature=signature)
    return made.prefetch(1).with_options(options)
