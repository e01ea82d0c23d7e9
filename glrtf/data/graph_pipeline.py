"""The training batches of `glrtf.data.input_pipeline` made by TensorFlow operations alone.

Python code runs only in the process that drives a TPU slice. The slice's hosts run only graphs, so
a pipeline that reads and decodes there cannot contain Python code. Its order is that of the Python
pipeline, record by record (`glrtf.data.read_plans`); pixels are those of `--input.exact_resize`.

A `tf.data` function that fails ends its dataset: see `graph_records.or_substitute`.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from glrtf.config.data import InputConfig
from glrtf.data import decoding, padded_images
from glrtf.data.graph_records import Dataset, Tensor, or_substitute, records, shuffled
from glrtf.data.input_pipeline import GRAPH_ERROR_END
from glrtf.data.input_spec import InputSpec
from glrtf.data.read_plans import plan_in_order, read_plan
from glrtf.data.sampling import repeat_factors
from glrtf.data.shards import ShardSet
from glrtf.data.shrinking import decode_shrunk
from tfrecords_tools import schema


def graph_batches(
    shard_set: ShardSet,
    *,
    size: int,
    batch_size: int,
    seed: int,
    config: InputConfig,
    worker: int,
    num_workers: int,
    start_step: int,
    steps: int,
) -> Dataset:
    """The batches of `train_batches`, `steps` of them, without Python at run time.

    Call it under `tf.device` of the host that reads: the reading plan, 8 bytes per record, is
    copied there.

    A record that cannot be read or decoded counts as broken, on each host up to `max_bad_records`;
    after a record with a wrong checksum TensorFlow cannot read the rest of the shard, which counts
    as broken too. Beyond the limit iteration ends with an error for `plain_errors`.

    Args:
        shard_set: The train shards, at paths that the reading host reaches.
        size: Side of the images in pixels.
        batch_size: Images of a batch, of this worker.
        seed: Determines the order.
        config: How to read.
        worker: Which host this is, from 0.
        num_workers: How many hosts read.
        start_step: Batches to skip.
        steps: How many batches.

    Returns:
        Elements as in `train_batches`.
    """
    shard_set = shard_set.without_empty()
    factors = None
    if config.sampling != "natural":
        factors = repeat_factors(shard_set.class_counts(), config.sampling)
    plan = read_plan(
        shard_set,
        config,
        seed=seed,
        worker=worker,
        num_workers=num_workers,
        skip=start_step * batch_size,
        records=steps * batch_size,
        most_broken=_most_broken(config, factors),
    )
    rows = shuffled(records(shard_set, plan, config), plan, factors, shard_set.schema)
    wanted, shape, shape_image = _shaper(config, size)
    rows = _decoded(rows, shard_set.schema, shape, shape_image, config)
    rows = _without_broken(rows, shard_set, config.max_bad_records, wanted)
    options = tf.data.Options()
    # Shards are assigned to workers here, not by tf.distribute.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    batches = rows.batch(batch_size, drop_remainder=True).take(steps)
    return batches.prefetch(2).with_options(options)


def graph_eval_batches(shard_set: ShardSet, spec: InputSpec, batch_size: int) -> Dataset:
    """One pass in the order of the shards; no record may be broken, the last batch may be small.

    Args:
        shard_set: The shards, at paths that the reading host reaches.
        spec: How images are made.
        batch_size: Images of a batch.

    Returns:
        Elements (images uint8 (b, size, size, 3), labels int32 (b,)).
    """
    config = InputConfig(files_at_once=1, max_side=spec.max_side, antialias=spec.antialias)
    rows = records(shard_set, plan_in_order(shard_set), config)
    wanted, shape, shape_image = _shaper(config, spec.size)
    rows = _decoded(rows, shard_set.schema, shape, shape_image, config)
    rows = _without_broken(rows, shard_set, config.max_bad_records, wanted)
    return rows.batch(batch_size).prefetch(2)


def _most_broken(config: InputConfig, factors: np.ndarray | None) -> int:
    """How many broken records may occur in an epoch; sampling may repeat each of them."""
    times = 1
    if factors is not None:
        times = int(np.ceil(factors.max() / factors[factors > 0].min()))
    return config.max_bad_records * times


def _shaper(config: InputConfig, size: int) -> tuple[str, list[int], Callable[[Tensor], Tensor]]:
    """The requirement on an image, for messages; the result's shape; how to make it."""
    if config.image_mode == "device-resize":
        side = config.canvas
        wanted = f"a JPEG or PNG image of at most {side} pixels a side (--input.canvas)"
        return wanted, [side + 1, side, 3], lambda image: padded_images.pad(image, side)
    return (
        "a JPEG or PNG image",
        [size, size, 3],
        lambda image: decoding.resize(image, size, config.antialias),
    )


def _decoded(
    rows: Dataset,
    schema_name: str,
    shape: list[int],
    shape_image: Callable[[Tensor], Tensor],
    config: InputConfig,
) -> Dataset:
    """Elements (shard, position, data's length int32, image uint8, label int32, sound bool)."""

    def decode(data: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        said = schema.parse_example(data, schema_name)
        image = tf.ensure_shape(shape_image(decode_shrunk(said["encoded"], config.max_side)), shape)
        return image, tf.cast(said["label"], tf.int32), tf.constant(True)

    def of_record(shard: Tensor, position: Tensor, data: Tensor) -> Dataset:
        broken = (tf.zeros(shape, tf.uint8), tf.constant(schema.NO_LABEL), tf.constant(False))
        found = or_substitute(data, decode, broken)
        length = tf.strings.length(data)
        return found.map(lambda *image: (shard, position, length, *image))

    # As many at once as the host has cores, in order.
    return rows.interleave(
        of_record,
        cycle_length=tf.data.AUTOTUNE,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=config.deterministic,
    )


def _without_broken(rows: Dataset, shard_set: ShardSet, limit: int, wanted: str) -> Dataset:
    """Elements (image, label) of the intact records; an error if too many are broken."""
    paths = tf.constant([shard.path for shard in shard_set.shards])
    offsets = tf.constant(np.cumsum([0, *shard_set.lengths])[:-1], tf.int64)

    def note(
        state: tuple[Tensor, Tensor],
        row: tuple[Tensor, ...],
    ) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]:
        shard, position, length, image, label, sound = row
        known, count = tf.cond(
            sound, lambda: state, lambda: broken(*state, shard, position, length)
        )
        return (known, count), (image, label, sound)

    def broken(
        known: Tensor, count: Tensor, shard: Tensor, position: Tensor, length: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Counts a record once, however often it occurs."""
        place = offsets[shard] + position
        count += tf.cast(~known[place], tf.int64)
        known = tf.tensor_scatter_nd_update(known, place[None, None], [True])
        reason = tf.where(length > 0, f"not {wanted}", "the shard is cut or altered there")
        message = tf.strings.join(
            [
                *("UserError: ", paths[shard], ": record ", tf.strings.as_string(position)),
                *(" is broken: ", reason, "; ", tf.strings.as_string(count)),
                f" broken so far on its host with --input.max_bad_records {limit};",
                f" build the shard again or raise the limit{GRAPH_ERROR_END}",
            ]
        )
        check = tf.debugging.Assert(count <= limit, [message])
        with tf.control_dependencies([check] if check is not None else []):
            return known, tf.identity(count)

    start = (tf.zeros([shard_set.num_examples], tf.bool), tf.constant(0, tf.int64))
    sound = rows.scan(start, note).filter(lambda image, label, sound: sound)
    return sound.map(lambda image, label, _: (image, label))
