"""Batches of uint8 images as NumPy arrays, read from shards by both engines."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from glrtf.config.data import InputConfig
from glrtf.data import host_images, loading, padding, records
from glrtf.data.host_images import decode_on_host
from glrtf.data.input_spec import ForeignSpec, InputSpec
from glrtf.data.loading import Batch, Shaper
from glrtf.data.records import BadRecords
from glrtf.data.resizers import host_resizer
from glrtf.data.sampling import resampler
from glrtf.data.shards import ShardSet
from glrtf.data.stream import shuffled_records
from glrtf.data.teacher_rows import TeacherRows
from tfrecords_tools import images as image_files
from tfrecords_tools.errors import UserError


class TrainingReader(NamedTuple):
    """Endless batches for training.

    Attributes:
        shape: Of an image, (h, w, 3).
        batches: Starts reading: (images uint8 (b, h, w, 3), labels int32 (b,), -1 for a photo
            without one), and with a teacher the images' rows, float32 (b, width).
    """

    shape: tuple[int, int, int]
    batches: Callable[[], Iterator[tuple[np.ndarray, ...]]]


def training_reader(
    shard_set: ShardSet,
    *,
    size: int,
    batch_size: int,
    seed: int,
    config: InputConfig,
    worker: int = 0,
    num_workers: int = 1,
    start_step: int = 0,
    bad: BadRecords | None = None,
    teacher: TeacherRows | None = None,
) -> TrainingReader:
    """See `glrtf.data.input_pipeline.train_batches`."""
    shard_set = shard_set.without_empty()
    bad = bad if bad is not None else BadRecords(config.max_bad_records, "--input.max_bad_records")
    _refuse_idle_workers(shard_set, num_workers)
    resample = None
    if config.sampling != "natural":
        unlabelled = {n for n, shard in enumerate(shard_set.shards) if not shard.labelled}
        counts = shard_set.class_counts()
        resample = resampler(counts, config.sampling, shard_set.schema, unlabelled)
    shaper = _shaper(config, size)

    def generate() -> Iterator[tuple[np.ndarray, ...]]:
        stream = shuffled_records(
            shard_set, config, bad, seed, worker, num_workers, start_step * batch_size, resample
        )
        for batch in loading.batches(stream, shard_set, shaper, batch_size, bad, full=True):
            rows = [teacher.of(batch.image_ids)] if teacher is not None else []
            yield batch.images[0], batch.labels, *rows

    return TrainingReader(shaper.shapes[0], generate)


def evaluation_batches(
    shard_set: ShardSet, specs: Sequence[InputSpec], batch_size: int, bad: BadRecords
) -> Iterator[Batch]:
    """One pass in the order of the shards; the last batch may be small.

    Args:
        shard_set: What to read.
        specs: How images are made; each image is decoded once and made in all of these ways.
        batch_size: Images of a batch.
        bad: Records broken records.
    """
    stream = records.in_order(shard_set, bad)
    return loading.batches(stream, shard_set, exact_shaper(specs), batch_size, bad, full=False)


def exact_shaper(specs: Sequence[InputSpec]) -> Shaper:
    """Makes images of several kinds, rounded exactly as for inference."""
    # TensorFlow resizes as `numpy_resize` does, bit for bit, and large photos faster.
    resizes = [
        host_resizer(each)
        if isinstance(each, ForeignSpec)
        else host_images.exact_resize(each.size, each.antialias)
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


def _shaper(config: InputConfig, size: int) -> Shaper:
    if config.image_mode == "device-resize":
        side = config.canvas
        wanted = f"a JPEG or PNG image of at most {side} pixels a side (--input.canvas)"
        shape = (side + 1, side, 3)

        def lay(encoded: bytes, places: Sequence[np.ndarray]) -> None:
            padding.decode(image_files.shrink(encoded, config.max_side), places[0])

        return Shaper([shape], lay, wanted)
    spec = InputSpec.of(config, size)
    if config.exact_resize:
        return exact_shaper([spec])
    fast = host_images.fast_resize(size, config.antialias)

    def fill(encoded: bytes, places: Sequence[np.ndarray]) -> None:
        fast(decode_on_host(image_files.shrink(encoded, spec.max_side)), places[0])

    return Shaper([(size, size, 3)], fill)


def _refuse_idle_workers(shard_set: ShardSet, num_workers: int) -> None:
    if num_workers > len(shard_set.shards):
        raise UserError(
            f"shards: expected at least one for each of {num_workers} workers, found"
            f" {len(shard_set.shards)}; build with more shards"
        )
