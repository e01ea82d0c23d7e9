"""A moving average of the weights (Polyak), which often ranks better than the last weights."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from glrtf.config.keras_settings import keras
from glrtf.models.class_shards import assign_whole, copy, made_split, mark, read_whole, shards_of

if TYPE_CHECKING:
    import tensorflow as tf


class WeightAverage:
    """Keeps `average ← m · average + (1 − m) · weight` for every trainable weight.

    Early on m is at most (1 + t) / (10 + t), t being the updates so far, so
    that random initial weights are soon forgotten. BatchNorm statistics are already averages and
    are used unchanged. Create it in the strategy's scope.

    Args:
        variables: The trainable variables.
        momentum: m, such as 0.9999.
        iterations: The optimizer's counter of updates.
    """

    def __init__(
        self, variables: list[keras.Variable], momentum: float, iterations: keras.Variable
    ) -> None:
        self._sources = variables
        self._momentum = momentum
        self._iterations = iterations
        self.variables = [_another(variable) for variable in variables]

    def update(self, strategy: "tf.distribute.Strategy") -> None:
        """One step of the average; called in cross-replica context, after an update."""
        momentum = self._current_momentum()
        for average, weight in zip(self.variables, self._sources, strict=True):
            strategy.extended.update(
                average.value, _move, args=(weight.value, momentum), group=False
            )

    def update_here(self) -> None:
        """One step of the average, of variables as this process or this scope has them."""
        momentum = self._current_momentum()
        for average, weight in zip(self.variables, self._sources, strict=True):
            _move(average, weight, momentum)

    def _current_momentum(self) -> Any:
        updates = keras.ops.cast(self._iterations.value, "float32")
        return keras.ops.minimum(self._momentum, (1.0 + updates) / (10.0 + updates))

    @contextlib.contextmanager
    def swapped_in(self) -> Iterator[None]:
        """Inside this context the model has the averaged weights; afterwards its own again."""
        own = [read_whole(v) for v in self._sources]
        for weight, average in zip(self._sources, self.variables, strict=True):
            copy(average, weight)
        try:
            yield
        finally:
            for weight, value in zip(self._sources, own, strict=True):
                assign_whole(weight, value)

    def reset(self) -> None:
        """Restarts from the current weights."""
        for average, weight in zip(self.variables, self._sources, strict=True):
            copy(weight, average)


def _move(average: Any, weight: Any, momentum: Any) -> None:
    average.assign_sub((1.0 - momentum) * (average - weight))


def _another(variable: keras.Variable) -> keras.Variable:
    """A new variable with the same value, split in the same way."""
    shards = shards_of(variable)
    with made_split(shards):
        made = keras.Variable(
            "zeros", shape=variable.shape, trainable=False, name=f"average_{variable.name}"
        )
    copy(variable, mark(made, shards))
    return made
