"""One update from several micro-batches, with one reduction over the replicas.

The step is written over plain tensors: Keras's `stateless_call` takes the weights and returns the
new BatchNorm statistics, so nothing is assigned inside the loop over micro-batches. The loop does
not communicate between replicas either, except for synchronised BatchNorm and a head whose classes
are split over them.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

from glrtf.config.keras_settings import keras
from glrtf.models.heads import Pairing
from glrtf.training.averaging import WeightAverage
from glrtf.training.optimizers import Updater
from glrtf.training.reduction import reduce_gradients
from glrtf.training.state import SEED_STRIDE, is_seed, statistics

# (images uint8, replica, micro-batch number over the whole run) -> float images in [0, 1], and, if
# they are mixed, with which others.
Prepare = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, Pairing | None]]


class TrainStep:
    """Turns one batch a replica into one update.

    Call it inside `strategy.run`; the model, the updater and the average are
    made in that strategy's scope.

    Args:
        model: Called with `(images, labels, pairing, rows, training=True)`; returns losses and
            whether the nearest class is right, `(batch,)` float32 each.
        updater: The optimizer, on the model's trainable variables.
        accumulation_steps: Micro-batches an update; divides the batch.
        prepare: Makes float images of a micro-batch, augments and optionally mixes them.
        clip_norm: Largest norm of the reduced gradient; 0 for no clipping.
        average: Moving average of the weights, updated after each update.
    """

    def __init__(
        self,
        model: keras.Model,
        updater: Updater,
        *,
        accumulation_steps: int,
        prepare: Prepare,
        clip_norm: float = 0.0,
        average: WeightAverage | None = None,
    ) -> None:
        self._model = model
        self._updater = updater
        self._steps = accumulation_steps
        self._prepare = prepare
        self._clip_norm = clip_norm
        self._average = average

    def __call__(
        self, images: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor | None = None
    ) -> tf.Tensor:
        """One update.

        Args:
            images: `(batch, size, size, 3)` uint8, this replica's.
            labels: `(batch,)` int32.
            rows: `(batch, width)` float32 of another descriptor, where the model learns from them.

        Returns:
            `engine.METRICS` of this replica's batch, `(3,)` float32: mean loss,
            accuracy without margin, norm of the reduced gradient.
        """
        gradients, state, sums = self._accumulate(images, labels, rows)
        context = tf.distribute.get_replica_context()
        share = 1.0 / (self._steps * context.num_replicas_in_sync)
        gradients, norm = reduce_gradients(
            self._model.trainable_variables, [gradient * share for gradient in gradients]
        )
        if self._clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self._clip_norm, use_norm=norm)
        for variable, value in zip(statistics(self._model), state, strict=True):
            if self._updater.frozen.holds(variable):
                value = tf.where(self._updater.is_frozen, tf.convert_to_tensor(variable), value)
            variable.assign(value)
        context.merge_call(self._apply, args=(gradients,))
        return tf.concat([sums / self._steps, norm[tf.newaxis]], axis=0)

    def _apply(self, strategy: tf.distribute.Strategy, gradients: Sequence[tf.Tensor]) -> None:
        self._updater.apply(strategy, gradients)
        if self._average is not None:
            self._average.update(strategy)

    def _accumulate(
        self, images: tf.Tensor, labels: tf.Tensor, rows: tf.Tensor | None
    ) -> tuple[list[tf.Tensor], list[tf.Tensor], tf.Tensor]:
        """Sums of gradients and metrics over the micro-batches, and the last statistics."""
        weights = [tf.convert_to_tensor(v) for v in self._model.trainable_variables]
        state = [tf.convert_to_tensor(v) for v in statistics(self._model)]
        given = [_split(v, self._steps) for v in (images, labels, rows) if v is not None]
        first = tf.cast(self._updater.iterations, tf.int32) * self._steps

        def micro_step(
            number: tf.Tensor, sums: tf.Tensor, state: list, gradients: list
        ) -> tuple[tf.Tensor, tf.Tensor, list, list]:
            metrics, state, new = self.micro_batch(
                first + number, weights, state, *(values[number] for values in given)
            )
            gradients = [old + g for old, g in zip(gradients, new, strict=True)]
            return number + 1, sums + metrics, state, gradients

        if self._steps == 1:
            sums, state, gradients = self.micro_batch(
                first, weights, state, *(values[0] for values in given)
            )
            return gradients, state, sums
        zeros = [tf.zeros_like(w, tf.float32) for w in weights]
        if _is_to_unroll(self._model):
            return self._unrolled(micro_step, zeros, state)
        _, sums, state, gradients = tf.while_loop(
            lambda number, *_: number < self._steps,
            micro_step,
            (tf.constant(0), tf.zeros(2), state, zeros),
            parallel_iterations=1,
            maximum_iterations=self._steps,
        )
        return gradients, state, sums

    def _unrolled(
        self, micro_step: Callable, gradients: list[tf.Tensor], state: list[tf.Tensor]
    ) -> tuple[list[tf.Tensor], list[tf.Tensor], tf.Tensor]:
        """The loop written out, one micro-batch after the other."""
        sums = tf.zeros(2)
        for number in range(self._steps):
            with tf.control_dependencies([sums, *gradients]):
                _, sums, state, gradients = micro_step(tf.constant(number), sums, state, gradients)
        return gradients, state, sums

    def micro_batch(
        self,
        number: tf.Tensor,
        weights: list[tf.Tensor],
        state: list[tf.Tensor],
        images: tf.Tensor,
        labels: tf.Tensor,
        rows: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, list[tf.Tensor], list[tf.Tensor]]:
        """Forward and backward of one micro-batch; assigns nothing.

        Args:
            number: The micro-batch's number over the whole run.
            weights: Values of the model's trainable variables.
            state: Values of `statistics(model)`.
            images: `(micro_batch, size, size, 3)` uint8.
            labels: `(micro_batch,)` int32.
            rows: `(micro_batch, width)` float32, if there are any.

        Returns:
            Mean loss and accuracy `(2,)`, the new state, the gradients.
        """
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        prepared, pairing = self._prepare(images, tf.cast(replica, tf.int32), number)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            (losses, right), after = self._model.stateless_call(
                weights, self._state_with_seeds(state, replica, number), prepared, labels,
                pairing, rows, training=True,
            )  # fmt: skip
            loss = tf.reduce_mean(losses)
        accuracy = tf.reduce_mean(right)
        gradients = tape.gradient(loss, weights, unconnected_gradients="zero")
        pairs = zip(self._model.non_trainable_variables, after, strict=True)
        new_state = [tf.convert_to_tensor(value) for v, value in pairs if not is_seed(v)]
        return tf.stack([loss, accuracy]), new_state, gradients

    def _state_with_seeds(
        self, state: list[tf.Tensor], replica: tf.Tensor | int, number: tf.Tensor
    ) -> list[tf.Tensor]:
        """All non-trainable values, the seeds made from replica and micro-batch number.

        A layer's seed state is (seed, calls so far). Both parts follow from the position in the
        run, so they need not be saved, and no two replicas or micro-batches drop the same units.
        """
        values = iter(state)
        result = []
        for variable in self._model.non_trainable_variables:
            if is_seed(variable):
                base = tf.convert_to_tensor(variable)
                shift = tf.stack(
                    [tf.cast(replica, base.dtype) * SEED_STRIDE, tf.cast(number, base.dtype)]
                )
                result.append(base + shift)
            else:
                result.append(next(values))
        return result


def average_statistics(model: keras.Model) -> None:
    """Gives every replica the mean of all replicas' BatchNorm statistics, in one reduction.

    Call it inside `strategy.run`, before the model is saved or evaluated:
    each replica has its own, and only the first replica's would be used.
    """
    variables = statistics(model)
    values = [tf.convert_to_tensor(v) for v in variables]
    flat = tf.concat([tf.reshape(value, [-1]) for value in values], axis=0)
    context = tf.distribute.get_replica_context()
    mean = context.all_reduce(tf.distribute.ReduceOp.MEAN, flat)
    parts = tf.split(mean, [value.shape.num_elements() for value in values])
    for variable, part in zip(variables, parts, strict=True):
        variable.assign(tf.reshape(part, variable.shape))


def _is_to_unroll(model: keras.Model) -> bool:
    """Whether micro-batches communicate across replicas in a strategy that cannot do so in a loop.

    Synchronised BatchNorm does, and a head whose classes are split; only on TPUs may a loop contain
    their reductions.
    """
    strategy = tf.distribute.get_strategy()
    if isinstance(strategy, tf.distribute.TPUStrategy) or strategy.num_replicas_in_sync == 1:
        return False
    return any(getattr(layer, "synchronized", False) for layer in model._flatten_layers())


def _split(values: tf.Tensor, parts: int) -> tf.Tensor:
    """`(batch, …)` -> `(parts, batch / parts, …)`, in order."""
    shape = tf.shape(values)
    static = values.shape
    split = tf.reshape(values, tf.concat([[parts, shape[0] // parts], shape[1:]], axis=0))
    if static[0] is not None:
        split.set_shape([parts, static[0] // parts, *static[1:]])
    return split
