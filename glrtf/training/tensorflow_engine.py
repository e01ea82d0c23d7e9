"""Training on TensorFlow, over the replicas of a `tf.distribute` strategy."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from glrtf.config.keras_settings import keras
from glrtf.config.training import TrainConfig
from glrtf.data.input_spec import InputSpec
from glrtf.data.shards import ShardSet
from glrtf.data.teacher_rows import row_width
from glrtf.training import inputs
from glrtf.training.accumulation import TrainStep, average_statistics
from glrtf.training.engine import Score, Step, Validate
from glrtf.training.state import TrainState, build_state
from glrtf.training.strategy import (
    choose_precision,
    describe,
    is_chief,
    make_strategy,
    reports_lost_workers,
)
from glrtf.training.validation import Validator


class TensorFlowEngine:
    """See `Engine`.

    Args:
        strategy: The devices.
    """

    name = "tensorflow"

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        self.strategy = strategy
        self.replicas = strategy.num_replicas_in_sync
        self.chief = is_chief(strategy)
        self.alone = not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
        self._averaging: dict[int, Callable[[], None]] = {}

    @classmethod
    def start(cls, config: TrainConfig, *, fall_back: bool = False) -> "TensorFlowEngine":
        """Seeds the process and finds the devices; call it before any other operation.

        Args:
            config: The run's settings.
            fall_back: As in `make_strategy`.
        """
        keras.utils.set_random_seed(config.seed)
        if config.deterministic:
            tf.config.experimental.enable_op_determinism()
        return cls(make_strategy(config.strategy, config.tpu, fall_back=fall_back))

    def describe(self) -> str:
        """The devices, as text for the user."""
        return describe(self.strategy)

    def precision(self, wanted: str) -> str:
        """See `choose_precision`."""
        return choose_precision(wanted, self.strategy)

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """The strategy's."""
        return self.strategy.scope()

    def build(
        self,
        config: TrainConfig,
        num_classes: int,
        margin: float | list[float],
        learning_rate: Any,
        precision: str,
        freeze_updates: int = 0,
    ) -> TrainState:
        """See `build_state`."""
        return build_state(
            config,
            num_classes,
            margin,
            learning_rate,
            precision,
            freeze_updates=freeze_updates,
            row_width=row_width(config),
        )

    def batches(
        self,
        shards: ShardSet,
        config: TrainConfig,
        size: int,
        num_classes: int,
        start_update: int,
        end_update: int,
    ) -> Iterator[Any]:
        """See `inputs.distributed_batches`."""
        return inputs.distributed_batches(
            self.strategy, shards, config, size, num_classes, start_update, end_update
        )

    def make_step(self, config: TrainConfig, state: TrainState, size: int) -> Step:
        """The update on a distributed batch as a graph."""
        step = self._compile(config, state, size)
        return lambda batch, stop: step(batch, tf.constant(stop))

    def _compile(self, config: TrainConfig, state: TrainState, size: int) -> Callable[..., Any]:
        on_tpu = isinstance(self.strategy, tf.distribute.TPUStrategy)
        step = TrainStep(
            state.model,
            state.updater,
            accumulation_steps=config.accumulation_steps,
            prepare=inputs.Augmentation(config, size, as_products=on_tpu),
            clip_norm=config.clip_norm,
            average=state.average,
        )
        strategy = self.strategy

        def of_replica(batch: tuple[tf.Tensor, ...], stop: tf.Tensor) -> tf.Tensor:
            return tf.concat([step(*batch), stop[tf.newaxis]], axis=0)

        # Not compiled with XLA here: under TPUStrategy it is anyway, elsewhere it cannot be.
        # Nothing in the step needs AutoGraph, which would take longer than the trace itself.
        @tf.function(autograph=False, jit_compile=False)
        def train_step(batch: tuple, stop: tf.Tensor) -> tf.Tensor:
            metrics = strategy.run(of_replica, args=(batch, stop))
            return strategy.reduce(tf.distribute.ReduceOp.MEAN, metrics, axis=None)

        return train_step

    def settle(self, state: TrainState) -> None:
        """Averages the replicas' BatchNorm statistics; variables are always current."""
        if self.replicas > 1:
            if id(state) not in self._averaging:
                self._averaging[id(state)] = _averaging(self.strategy, state)
            self._averaging[id(state)]()

    def pictures(self, config: TrainConfig, size: int, batch: Any, count: int) -> np.ndarray:
        """See `Engine.pictures`."""
        local = self.strategy.experimental_local_results(batch[0])
        prepare = inputs.Augmentation(config, size)
        varied, _ = prepare(local[0].numpy()[:count], tf.constant(0), tf.constant(0))
        return varied.numpy()

    def validator(
        self,
        state: TrainState,
        shards: ShardSet,
        spec: InputSpec,
        batch_size: int,
        score: Score | None,
    ) -> Validate:
        """See `Validator`."""
        return Validator(
            self.strategy, state.model, shards, size=spec, batch_size=batch_size, score=score
        )

    def readable_errors(self, folder: str) -> contextlib.AbstractContextManager[None]:
        """See `inputs.readable_errors`."""
        return inputs.readable_errors(folder)

    def reports_lost_workers(self) -> contextlib.AbstractContextManager[None]:
        """See `strategy.reports_lost_workers`."""
        return reports_lost_workers(self.strategy)


def _averaging(strategy: tf.distribute.Strategy, state: TrainState) -> Callable[[], None]:
    """The averaging of BatchNorm statistics as a graph."""

    @tf.function(autograph=False, jit_compile=False)
    def average() -> None:
        strategy.run(average_statistics, args=(state.model,))

    return average
