"""Training batches on a mesh of JAX devices, labels checked on the host."""

from collections.abc import Callable, Iterator

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding

from glrtf.config.training import TrainConfig
from glrtf.data.host_batches import training_reader
from glrtf.data.shards import ShardSet
from glrtf.data.teacher_rows import least_label, open_teacher
from glrtf.training.jax_placement import BY_DEVICE
from tfrecords_tools.errors import UserError


def batches_on_mesh(
    mesh: Mesh,
    shards: ShardSet,
    config: TrainConfig,
    size: int,
    num_classes: int,
    start_update: int,
) -> Iterator[tuple[jax.Array, ...]]:
    """Batches (images uint8, labels int32), split over the devices, endlessly.

    A run that learns from another descriptor's rows also gets these, float32 (b, width).

    Each process reads its own shards, for its own devices: the same records as with TensorFlow, in
    the same order on each device.

    Args:
        mesh: The devices.
        shards: The train split.
        config: Batch size, seed, and how to read.
        size: Side of the images in pixels.
        num_classes: Labels must be below this.
        start_update: Updates whose batches have been used already.
    """
    local = len(mesh.local_devices)
    reader = training_reader(
        shards,
        size=size,
        batch_size=config.batch_size * local,
        seed=config.seed,
        config=config.input,
        worker=jax.process_index(),
        num_workers=jax.process_count(),
        start_step=start_update,
        teacher=open_teacher(config),
    )
    sharding = NamedSharding(mesh, BY_DEVICE)
    for batch in reader.batches():
        check_labels(batch[1], num_classes, config.data, least_label(config))
        yield tuple(on_devices(values, sharding) for values in batch)


def check_labels(labels: np.ndarray, num_classes: int, folder: str, least: int = 0) -> None:
    """Refuses labels outside [least, num_classes): devices silently read past a matrix's end.

    Raises:
        UserError: Naming the first one.
    """
    wrong = labels[(labels < least) | (labels >= num_classes)]
    if len(wrong):
        raise UserError(
            f"{folder}: label: expected 0 to {num_classes - 1}, found {wrong[0]}; the shards are "
            "not those of their dataset_info.json: build them again"
        )


def on_devices(values: np.ndarray, sharding: NamedSharding) -> jax.Array:
    """This process's rows on its devices; copied, since the reader reuses its arrays."""
    return jax.make_array_from_process_local_data(sharding, np.array(values))


def dealt(values: np.ndarray, sharding: NamedSharding) -> jax.Array:
    """Rows that every process has, split over the devices."""
    return jax.make_array_from_callback(values.shape, sharding, _rows_of(values))


def _rows_of(values: np.ndarray) -> Callable:
    return lambda index: values[index]
