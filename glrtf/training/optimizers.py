"""Keras optimizers by name, applied to gradients that are already reduced."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from glrtf.config.keras_settings import keras
from glrtf.models import kernels
from glrtf.models.class_shards import made_split, mark, read_whole, shards_of
from glrtf.training.fine_tuning import Frozen

if TYPE_CHECKING:
    import tensorflow as tf

Tensor: TypeAlias = Any

# Pulling a BatchNorm scale or a bias towards zero regularises nothing.
_NOT_DECAYED = ("bias", "gamma", "beta", "power", "alpha")


class Updater:
    """A Keras optimizer that takes reduced gradients, with decoupled weight decay.

    Keras's own `apply` adds the replicas' gradients itself, after clipping
    them; here the reduction comes first, so only `update_step` is used. Create it in the strategy's
    scope.

    Args:
        name: `adam`, `adamw`, `lamb` or `sgd` (momentum 0.9).
        learning_rate: A rate or a schedule over updates.
        variables: The trainable variables.
        weight_decay: Each update first subtracts learning rate × this × weight from every weight
            except biases and BatchNorm's; 0 for none. With `lamb` this × weight is added to the
            update before its length is set by the trust ratio (You et al. 2019, arXiv 1904.00962,
            algorithm 2).
        factors: Of each variable's learning rate; None for 1.
        frozen: Variables that keep their values in the first updates.

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
        self._rate = learning_rate
        self._factors = list(factors) if factors is not None else [1.0] * len(variables)
        self.frozen = frozen or Frozen()

    @property
    def iterations(self) -> keras.Variable:
        """The number of updates so far, an int64 scalar."""
        return self._optimizer.iterations

    @property
    def count(self) -> int:
        """The counter's value; not for use inside a step."""
        return int(read_whole(self.iterations))

    @property
    def learning_rate(self) -> Tensor:
        """The next update's rate, a float32 scalar."""
        return keras.ops.cast(self._optimizer.learning_rate, "float32")

    def rate_at(self, update: int) -> float:
        """The rate of the update after this many."""
        return float(self._rate(update)) if callable(self._rate) else self._rate

    @property
    def is_frozen(self) -> Tensor:
        """Whether the variables of `frozen` keep their values in the next update, a bool scalar."""
        return keras.ops.cast(self.iterations.value, "int64") < self.frozen.updates

    @property
    def variables(self) -> list[keras.Variable]:
        """The optimizer's own variables, such as moments and the counter of updates.

        A constant learning rate is a variable too, but it is a setting, not state.
        """
        return [v for v in self._optimizer.variables if v.name != "learning_rate"]

    def apply(self, strategy: "tf.distribute.Strategy", gradients: Sequence[Tensor]) -> None:
        """One update; called in cross-replica context.

        Args:
            strategy: The strategy in whose scope the variables were created.
            gradients: One per variable, in the same order, equal on all replicas; for a variable
                that is split over them, each replica's own.
        """
        rates, shared = self._rates(), self._optimizer.shared()
        for variable, gradient, rate in zip(self._variables, gradients, rates, strict=True):
            strategy.extended.update(
                variable.value,
                self._update,
                args=(gradient, rate, shared, self._decay(variable), variable.constraint),
                group=False,
            )
        self._optimizer.iterations.assign_add(1)

    def apply_here(self, gradients: Sequence[Tensor]) -> None:
        """One update of the variables as seen in this process or scope.

        Args:
            gradients: One per variable, in the same order.
        """
        rates, shared = self._rates(), self._optimizer.shared()
        for variable, gradient, rate in zip(self._variables, gradients, rates, strict=True):
            decay = self._decay(variable)
            self._update(variable, gradient, rate, shared, decay, variable.constraint)
        self._optimizer.iterations.assign_add(1)

    def _decay(self, variable: keras.Variable) -> float:
        return self._weight_decay if is_decayed(variable) else 0.0

    def _rates(self) -> list[Tensor]:
        """Each variable's learning rate in the next update; 0 while it is frozen."""
        rate = self.learning_rate
        rates = [rate if factor == 1 else rate * factor for factor in self._factors]
        return [
            keras.ops.where(self.is_frozen, 0.0, own) if self.frozen.holds(variable) else own
            for variable, own in zip(self._variables, rates, strict=True)
        ]

    def _update(
        self,
        variable: Any,
        gradient: Tensor,
        rate: Tensor,
        shared: tuple[Tensor, ...],
        decay: float,
        constraint: keras.constraints.Constraint | None,
    ) -> None:
        if isinstance(self._optimizer, _Lamb):
            self._optimizer.update_step(gradient, variable, rate, decay)
        else:
            if decay:
                variable.assign_sub(variable * (decay * rate))
            self._optimizer.update_step(gradient, variable, rate, *shared)
        if constraint is not None:
            variable.assign(constraint(kernels.tensor_of(variable)))


def is_decayed(variable: keras.Variable) -> bool:
    """Whether weight decay applies to a variable: not to biases, BatchNorm, powers and slopes."""
    return variable.name not in _NOT_DECAYED


class _SlotsAsVariables:
    """Splits the slots of a variable over the replicas in the same way as the variable."""

    def shared(self) -> tuple[Tensor, ...]:
        """What the updates of all variables need, computed once."""
        return ()

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
    """Adam in one pass over the weights, where Keras's makes a dozen."""

    def shared(self) -> tuple[Tensor, ...]:
        """The powers β₁ᵗ and β₂ᵗ of update t, float32 scalars."""
        ops = keras.ops
        step = ops.cast(self.iterations + 1, "float32")
        betas = (self.beta_1, self.beta_2)
        return tuple(ops.power(ops.cast(beta, "float32"), step) for beta in betas)

    def update_step(
        self, gradient: Tensor, variable: Any, learning_rate: Tensor, *powers: Tensor
    ) -> None:
        """Moves a variable and its moments; `powers` are those of `shared`."""
        place = self._get_variable_index(variable)
        moments = self._momentums[place], self._velocities[place]
        betas = self.beta_1, self.beta_2
        kernels.adam_step(variable, moments, gradient, learning_rate, powers, betas, self.epsilon)


class _Lamb(_SlotsAsVariables, keras.optimizers.Lamb):
    """LAMB with its weight decay, which Keras's version lacks."""

    def update_step(
        self,
        gradient: Tensor,
        variable: Any,
        learning_rate: Tensor,
        decay: float = 0.0,
    ) -> None:
        """Moves a variable by rate × its length, against the update u of unit length.

        u is m / (sqrt(v) + epsilon) + decay × variable, with Adam's corrected moments m and
        v. If the variable or u is zero, by rate × u.
        """
        ops = keras.ops
        place = self._get_variable_index(variable)
        first, second = self._momentums[place], self._velocities[place]
        self.assign_add(first, (gradient - first) * (1 - self.beta_1))
        self.assign_add(second, (ops.square(gradient) - second) * (1 - self.beta_2))
        step = ops.cast(self.iterations, "float32") + 1.0
        mean = first / (1.0 - ops.power(self.beta_1, step))
        spread = ops.sqrt(second / (1.0 - ops.power(self.beta_2, step))) + self.epsilon
        update = mean / spread + decay * variable
        lengths = _length(variable), _length(update)
        both = (lengths[0] > 0) & (lengths[1] > 0)
        ratio = ops.where(both, lengths[0] / ops.where(both, lengths[1], 1.0), 1.0)
        self.assign_sub(variable, learning_rate * ratio * update)


def _length(tensor: Tensor) -> Tensor:
    """The square root of the sum of squares, over all axes.

    `keras.ops.norm` of a convolution's kernel raises ValueError on TensorFlow (Keras 3.15.1);
    on JAX and NumPy it gives this.
    """
    return keras.ops.sqrt(keras.ops.sum(keras.ops.square(tensor)))


class _SGD(_SlotsAsVariables, keras.optimizers.SGD):
    """Stochastic gradient descent."""


def _make(
    name: str, learning_rate: keras.optimizers.schedules.LearningRateSchedule | float
) -> keras.optimizers.Optimizer:
    # One fixed name: by default Keras numbers optimizers, and checkpoints would not match.
    fixed = "optimizer"
    if name in ("adam", "adamw"):  # AdamW is Adam with the decay that Updater adds.
        return _Adam(learning_rate, name=fixed)
    if name == "lamb":
        return _Lamb(learning_rate, name=fixed)
    if name == "sgd":
        return _SGD(learning_rate, momentum=0.9, name=fixed)
    raise ValueError(f"optimizer: expected one of adam, adamw, lamb, sgd, found {name!r}")
