"""One update on JAX, from several micro-batches, with one reduction over the devices.

The update is one compiled program, whose body each device runs on its own images (`jax.shard_map`).
It is the same as in `accumulation`: the scan over micro-batches does not communicate between
devices, except for synchronised BatchNorm and a head whose classes are split.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from glrtf.config.keras_settings import keras
from glrtf.models.class_shards import shards_of
from glrtf.models.kernels.jax_replicas import AXES
from glrtf.training.jax_placement import BY_DEVICE, EVERYWHERE, Values, specs_of, variables_of
from glrtf.training.state import SEED_STRIDE, TrainState, is_seed

Prepare: TypeAlias = Callable[[jax.Array, jax.Array, jax.Array], tuple[jax.Array, Any]]
"""(images uint8, device's number, micro-batch number over the whole run) -> float images in [0, 1],
and, if they are mixed, with which others."""

Update: TypeAlias = Callable[..., tuple[Values, jax.Array]]
"""(values, batch, stop) -> the values after the update, which reuse the memory of those before, and
the means over the devices of METRICS and of `stop`, float32 `(4,)`.

A batch is (images, labels), plus the other descriptor's rows if the model learns from them."""


def make_update(
    state: TrainState,
    mesh: Mesh,
    prepare: Prepare,
    *,
    accumulation_steps: int,
    clip_norm: float = 0.0,
) -> Update:
    """The update as one function, compiled when it is first called.

    Args:
        state: What is trained; only its structure is used.
        mesh: The devices, its axes named `AXES`.
        prepare: Makes float images of a micro-batch, augments and optionally mixes them.
        accumulation_steps: Micro-batches per update; divides a device's images.
        clip_norm: Largest norm of the reduced gradient; 0 for no clipping.
    """
    step = _Step(state, mesh, prepare, accumulation_steps, clip_norm)
    specs = specs_of(state)
    body = jax.shard_map(
        step,
        mesh=mesh,
        in_specs=(specs, BY_DEVICE, BY_DEVICE),
        out_specs=(specs, EVERYWHERE),
        # The gradients of the exchanges between devices are defined in `jax_replicas`.
        check_vma=False,
    )
    return jax.jit(body, donate_argnums=0)


class _Step:
    """One device's part of an update."""

    def __init__(
        self, state: TrainState, mesh: Mesh, prepare: Prepare, steps: int, clip_norm: float
    ) -> None:
        self._state = state
        self._model = state.model
        self._variables = variables_of(state)
        self._devices = mesh.size
        self._data_devices = mesh.shape[AXES[0]]
        self._prepare = prepare
        self._steps = steps
        self._clip_norm = clip_norm

    def __call__(
        self, values: Values, batch: tuple[jax.Array, ...], stop: jax.Array
    ) -> tuple[Values, jax.Array]:
        """See `Update`; images `(batch, …)` uint8, labels `(batch,)` int32, stop `(1,)`."""
        iterations = self._value_of(values, self._state.updater.iterations)
        first = iterations.astype(jnp.int32) * self._steps
        own = [value[0] for value in values.statistics]
        gradients, own, sums = self._accumulate(values.weights, own, batch, first)
        own = self._thawed(iterations, values.statistics, own)
        share = 1.0 / (self._steps * self._devices)
        figures = jnp.concatenate([sums / self._steps, stop]) / self._devices
        gradients, norm, figures = self._reduce([g * share for g in gradients], figures)
        if self._clip_norm:
            scale = self._clip_norm * jnp.minimum(1.0 / norm, 1.0 / self._clip_norm)
            gradients = [gradient * scale for gradient in gradients]
        after = self._apply(values, gradients)._replace(statistics=[value[None] for value in own])
        return after, jnp.concatenate([figures[:2], norm[None], figures[2:]])

    def _value_of(self, values: Values, variable: Any) -> jax.Array:
        places = [v is variable for v in self._variables.optimizer]
        return values.optimizer[places.index(True)]

    def _thawed(
        self, iterations: jax.Array, before: list[jax.Array], after: list[jax.Array]
    ) -> list[jax.Array]:
        """The statistics after an update; those of frozen layers are unchanged."""
        frozen = self._state.updater.frozen
        return [
            jnp.where(iterations < frozen.updates, old[0], new) if frozen.holds(variable) else new
            for variable, old, new in zip(self._variables.statistics, before, after, strict=True)
        ]

    def _accumulate(
        self,
        weights: list[jax.Array],
        statistics: list[jax.Array],
        batch: tuple[jax.Array, ...],
        first: jax.Array,
    ) -> tuple[list[jax.Array], list[jax.Array], jax.Array]:
        """Sums of gradients and metrics over the micro-batches, and the last statistics."""
        if self._steps == 1:
            sums, statistics, gradients = self._micro_batch(batch, first, weights, statistics)
            return gradients, statistics, sums

        def one(carry: tuple, inputs: tuple) -> tuple[tuple, None]:
            sums, statistics, gradients = carry
            part, number = inputs
            metrics, statistics, new = self._micro_batch(part, number, weights, statistics)
            gradients = [old + g for old, g in zip(gradients, new, strict=True)]
            return (sums + metrics, statistics, gradients), None

        def split(values: jax.Array) -> jax.Array:
            return values.reshape(self._steps, -1, *values.shape[1:])

        zeros = [jnp.zeros(w.shape, jnp.float32) for w in weights]
        numbers = first + jnp.arange(self._steps, dtype=jnp.int32)
        (sums, statistics, gradients), _ = jax.lax.scan(
            one, (jnp.zeros(2), statistics, zeros), (tuple(map(split, batch)), numbers)
        )
        return gradients, statistics, sums

    def _micro_batch(
        self,
        batch: tuple[jax.Array, ...],
        number: jax.Array,
        weights: list[jax.Array],
        statistics: list[jax.Array],
    ) -> tuple[jax.Array, list[jax.Array], list[jax.Array]]:
        """Mean loss and accuracy `(2,)`, the new statistics, the gradients."""
        device = jax.lax.axis_index(AXES).astype(jnp.int32)
        images, labels, *rows = batch
        prepared, pairing = self._prepare(images, device, number)
        state = self._with_seeds(statistics, device, number)

        def loss_of(weights: list[jax.Array]) -> tuple[jax.Array, tuple]:
            (losses, right), after = self._model.stateless_call(
                weights, state, prepared, labels, pairing, *rows, training=True
            )
            return jnp.mean(losses), (jnp.mean(right), after)

        (loss, (accuracy, after)), gradients = jax.value_and_grad(loss_of, has_aux=True)(weights)
        pairs = zip(self._model.non_trainable_variables, after, strict=True)
        moved = [value for variable, value in pairs if not is_seed(variable)]
        return jnp.stack([loss, accuracy]), moved, gradients

    def _with_seeds(
        self, statistics: list[jax.Array], device: jax.Array, number: jax.Array
    ) -> list[jax.Array]:
        """All non-trainable values, the seeds made from device and micro-batch number."""
        values = iter(statistics)
        result = []
        for variable in self._model.non_trainable_variables:
            if is_seed(variable):
                base = jnp.asarray(variable.value)
                shift = jnp.stack([device * SEED_STRIDE, number]).astype(base.dtype)
                result.append(base + shift)
            else:
                result.append(next(values))
        return result

    def _reduce(
        self, gradients: list[jax.Array], figures: jax.Array
    ) -> tuple[list[jax.Array], jax.Array, jax.Array]:
        """Sums over the devices; gradients of split weights already cover all images.

        Returns:
            The gradients to apply, the norm of the whole gradient, the figures.
        """
        split = [shards_of(variable) is not None for variable in self._variables.weights]
        shared = [g for g, is_split in zip(gradients, split, strict=True) if not is_split]
        own = [g for g, is_split in zip(gradients, split, strict=True) if is_split]
        if self._devices > 1:
            shared, figures = jax.lax.psum((shared, figures), AXES)
        if own and self._data_devices > 1:
            own = jax.lax.psum(own, AXES[0])
        squares = _squares(shared)
        if own:
            squares += jax.lax.psum(_squares(own), AXES[1])
        sums, parts = iter(shared), iter(own)
        result = [next(parts) if is_split else next(sums) for is_split in split]
        return result, jnp.sqrt(squares), figures

    def _apply(self, values: Values, gradients: list[jax.Array]) -> Values:
        """Applies the optimizer and updates the average."""
        groups = self._variables._replace(statistics=[])
        held = values._replace(statistics=[])
        mapping = [
            pair
            for group, found in zip(groups, held, strict=True)
            for pair in zip(group, found, strict=True)
        ]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            self._state.updater.apply_here(gradients)
            if self._state.average is not None:
                self._state.average.update_here()
        return Values(*([scope.get_current_value(v) for v in group] for group in groups))


def _squares(values: list[jax.Array]) -> jax.Array:
    return sum((jnp.sum(value**2) for value in values), jnp.zeros(()))
