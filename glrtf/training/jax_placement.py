"""A state's values on a mesh of JAX devices, and back in its variables on the host."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from glrtf.models.class_shards import assign_whole, parts_of, read_whole, shards_of
from glrtf.models.kernels.jax_replicas import AXES
from glrtf.training.state import TrainState, statistics

EVERYWHERE = PartitionSpec()
"""For a value that is the same on all devices."""
BY_CLASS = PartitionSpec(AXES[1])
"""For rows of class centres that are split over the mesh's `model` axis."""
BY_DEVICE = PartitionSpec(AXES)
"""For a value whose first axis counts images or devices, in the mesh's order."""


class Values(NamedTuple):
    """What an update changes, one value per variable.

    Attributes:
        weights: Trainable weights.
        statistics: BatchNorm's and similar, with a first axis for the devices: each device has its
            own.
        optimizer: Slots and the counter of updates.
        averages: Moving averages of the weights.
    """

    weights: list[Any]
    statistics: list[Any]
    optimizer: list[Any]
    averages: list[Any]


def variables_of(state: TrainState) -> Values:
    """The variables whose values are in `Values`."""
    return Values(
        weights=list(state.model.trainable_variables),
        statistics=statistics(state.model),
        optimizer=state.updater.variables,
        averages=state.average.variables if state.average else [],
    )


def specs_of(state: TrainState) -> Values:
    """How each value is placed on the mesh."""
    variables = variables_of(state)
    return Values(*([_spec(v) for v in group] for group in variables))._replace(
        statistics=[BY_DEVICE] * len(variables.statistics)
    )


def place(state: TrainState, mesh: Mesh) -> Values:
    """The values of the state's variables, on the mesh."""
    variables = variables_of(state)
    return Values(*(place_variables(group, mesh) for group in variables))._replace(
        statistics=[
            _placed(np.repeat(read_whole(v)[None], mesh.size, axis=0), BY_DEVICE, mesh)
            for v in variables.statistics
        ]
    )


def place_variables(variables: Sequence[Any], mesh: Mesh) -> list[Any]:
    """Values of variables on the mesh: replicated, or split by class."""
    return [_placed(_host_value(v), _spec(v), mesh) for v in variables]


def take_back(state: TrainState, values: Values, host: jax.Device) -> None:
    """Assigns these values to the state's variables; of the statistics, the first device's."""
    with jax.default_device(host):
        for group, found in zip(variables_of(state), values, strict=True):
            for variable, value in zip(group, found, strict=True):
                _assign(variable, value, is_statistic=found is values.statistics)


def average_over_devices(statistics: list[Any], mesh: Mesh) -> list[Any]:
    """Gives every device the mean of all devices' statistics."""
    sharding = NamedSharding(mesh, BY_DEVICE)

    def mean(values: list[jax.Array]) -> list[jax.Array]:
        means = [jnp.mean(value, axis=0, keepdims=True) for value in values]
        return [jnp.broadcast_to(m, v.shape) for m, v in zip(means, values, strict=True)]

    return jax.jit(mean, out_shardings=[sharding] * len(statistics))(statistics)


def _assign(variable: Any, value: jax.Array, *, is_statistic: bool) -> None:
    shards = shards_of(variable)
    if shards is not None:
        parts = np.split(_whole(value), shards.num_replicas)
        assign_whole(variable, shards.join(parts))
        return
    # Copied: the device's own buffer is donated to the next update.
    local = np.array(value.addressable_data(0))
    variable.assign(local[0] if is_statistic else local)


def _whole(value: jax.Array) -> np.ndarray:
    if value.is_fully_addressable:
        return np.array(value)
    from jax.experimental import multihost_utils

    return np.array(multihost_utils.process_allgather(value, tiled=True))


def _spec(variable: Any) -> PartitionSpec:
    return EVERYWHERE if shards_of(variable) is None else BY_CLASS


def _host_value(variable: Any) -> np.ndarray:
    """The whole value; if it is split, all parts in order."""
    if shards_of(variable) is None:
        return np.array(read_whole(variable))
    return np.concatenate([part.numpy() for part in parts_of(variable)])


def _placed(value: np.ndarray, spec: PartitionSpec, mesh: Mesh) -> jax.Array:
    sharding = NamedSharding(mesh, spec)
    return jax.make_array_from_callback(value.shape, sharding, lambda index: value[index])
