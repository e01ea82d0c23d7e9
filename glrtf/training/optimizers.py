"""Keras optimizers by name, applied to gradients that are already reduced."""

from collections.abc import Sequence

import tensorflow as tf

from glrtf.models.class_shards import made_split, mark, shards_of
from glrtf.models.keras_settings import keras
from glrtf.training.fine_tuning import Frozen

# Pulling a BatchNorm scale or a bias towards zero regularises nothing.
_NOT_DECAYED = ("bias", "gamma", "beta", "power")


class Updater:
    """A Keras optimizer that takes reduced gradients, with decoupled weight decay.

    Keras's own `apply` adds the replicas' gradients itself, after clipping
    them; here the reduction comes first, so only `update_step` is used. Make
    it in the strategy's scope.

    Args:
        name: `adam`, `adamw`, `lamb` or `sgd` (momentum 0.9).
        learning_rate: A rate or a schedule over updates.
        variables: The trainable variables.
        weight_decay: Each update first takes learning rate × this × weight off
            every weight but biases and BatchNorm's; 0 for none. With `lamb` this × weight
            is added to the update before its length is set by the trust ratio (You et al.
            2019, arXiv 1904.00962, algorithm 2).
        factors: Of each variable's learning rate; None for 1.
        frozen: What keeps its values in the first updates.

    Raises:
        ValueError: If there is no optimizer of that name.
    """

    def __init__(
        self,
        name: str,
        learning_rate: keras.optimizers.schedules.LearningRateSchedule | float,
        variables: Sequence[keras.Variable],
        weight_decay: float = 0.0,
        factors: Sequence[float] | None = None,
        frozen: Frozen | None = None,
    ) -> None:
        self._optimizer = _make(name, learning_rate)
        self._optimizer.build(list(variables))
        self._variables = list(variables)
        self._weight_decay = weight_decay
        self._factors = list(factors) if factors is not None else [1.0] * len(variables)
        self.frozen = frozen or Frozen()

    @property
    def iterations(self) -> keras.Variable:
        """How many updates were made, an int64 scalar."""
        return self._optimizer.iterations

    @property
    def learning_rate(self) -> tf.Tensor:
        """The next update's rate, a float32 scalar."""
        return tf.cast(self._optimizer.learning_rate, tf.float32)

    @property
    def is_frozen(self) -> tf.Tensor:
        """Whether `frozen` keeps its values in the next update, a bool scalar."""
        return tf.cast(self.iterations.value, tf.int64) < self.frozen.updates

    @property
    def variables(self) -> list[keras.Variable]:
        """The optimizer's own variables, such as moments and the counter of updates.

        A constant learning rate is a variable too, but a setting, not state.
        """
        return [v for v in self._optimizer.variables if v.name != "learning_rate"]

    def apply(self, strategy: tf.distribute.Strategy, gradients: Sequence[tf.Tensor]) -> None:
        """One update; called in cross-replica context.

        Args:
            strategy: In whose scope the variables were made.
            gradients: One a variable, in the same order, equal on all replicas; of a variable
                that is split over them, each replica's own.
        """
        rate = self.learning_rate
        for variable, gradient, factor in zip(
            self._variables, gradients, self._factors, strict=True
        ):
            decay = self._weight_decay if is_decayed(variable) else 0.0
            own = rate if factor == 1 else rate * factor
            if self.frozen.holds(variable):
                own = tf.where(self.is_frozen, 0.0, own)
            strategy.extended.update(
                variable.value,
                self._update,
                args=(gradient, own, decay, variable.constraint),
                group=False,
            )
        self._optimizer.iterations.assign_add(1)

    def _update(
        self,
        variable: tf.Variable,
        gradient: tf.Tensor,
        rate: tf.Tensor,
        decay: float,
        constraint: keras.constraints.Constraint | None,
    ) -> None:
        if isinstance(self._optimizer, _Lamb):
            self._optimizer.update_step(gradient, variable, rate, decay)
        else:
            if decay:
                variable.assign_sub(variable * (decay * rate))
            self._optimizer.update_step(gradient, variable, rate)
        if constraint is not None:
            variable.assign(constraint(tf.convert_to_tensor(variable)))


def is_decayed(variable: keras.Variable) -> bool:
    """Whether weight decay acts on a variable: not on biases, BatchNorm and GeM's power."""
    return variable.name not in _NOT_DECAYED


class _SlotsAsVariables:
    """Makes the slots of a variable that is split over the replicas split alike."""

    def add_variable_from_reference(
        self, reference_variable: keras.Variable, *arguments: object, **options: object
    ) -> keras.Variable:
        """As Keras's."""
        shards = shards_of(reference_variable)
        with made_split(shards):
            made = super().add_variable_from_reference(  # type: ignore[misc]
                reference_variable, *arguments, **options
            )
        return mark(made, shards)


class _Adam(_SlotsAsVariables, keras.optimizers.Adam):
    """Adam."""


class _Lamb(_SlotsAsVariables, keras.optimizers.Lamb):
    """LAMB with its weight decay, which Keras's has not."""

    def update_step(
        self,
        gradient: tf.Tensor,
        variable: tf.Variable,
        learning_rate: tf.Tensor,
        decay: float = 0.0,
    ) -> None:
        """Moves a variable by rate × its length, against the update u of unit length.

        u is m / (sqrt(v) + epsilon) + decay × variable, with Adam's corrected moments m and
        v. Where the variable or u is zero, by rate × u.
        """
        place = self._get_variable_index(variable)
        first, second = self._momentums[place].value, self._velocities[place].value
        first.assign_add((gradient - first) * (1 - self.beta_1))
        second.assign_add((tf.square(gradient) - second) * (1 - self.beta_2))
        step = tf.cast(self.iterations, tf.float32) + 1.0
        mean = first / (1.0 - tf.pow(self.beta_1, step))
        spread = tf.sqrt(second / (1.0 - tf.pow(self.beta_2, step))) + self.epsilon
        update = mean / spread + decay * variable
        lengths = tf.norm(variable), tf.norm(update)
        ratio = tf.where((lengths[0] > 0) & (lengths[1] > 0), tf.math.divide_no_nan(*lengths), 1.0)
        variable.assign_sub(learning_rate * ratio * update)


class _SGD(_SlotsAsVariables, keras.optimizers.SGD):
    """Stochastic gradient descent."""


def _make(
    name: str, learning_rate: keras.optimizers.schedules.LearningRateSchedule | float
) -> keras.optimizers.Optimizer:
    # One fixed name: by default Keras numbers them, and checkpoints would not fit.
    fixed = "optimizer"
    if name in ("adam", "adamw"):  # AdamW is Adam with the decay that Updater adds.
        return _Adam(learning_rate, name=fixed)
    if name == "lamb":
        return _Lamb(learning_rate, name=fixed)
    if name == "sgd":
        return _SGD(learning_rate, momentum=0.9, name=fixed)
    raise ValueError(f"optimizer: expected one of adam, adamw, lamb, sgd, found {name!r}")
