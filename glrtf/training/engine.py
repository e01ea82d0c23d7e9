"""What the training loop needs from TensorFlow or JAX: devices, batches, the update."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np

from glrtf.config.training import TrainConfig
from glrtf.data.input_spec import InputSpec
from glrtf.data.shards import ShardSet
from glrtf.training.state import TrainState

Step: TypeAlias = Callable[[Any, float], Any]
"""One update on a batch of `Engine.batches`.

The second argument says whether this process wants to stop. The result is the means over the
replicas of METRICS followed by the mean of those answers: float32 `(4,)`, for `np.asarray`, which
waits until the update is done.
"""

# From unit rows (n, dimension) float32 and labels (n,) to figures such as {"map": 0.4}. The search
# belongs to packages above this one, so the command passes it in.
Score: TypeAlias = Callable[[np.ndarray, np.ndarray], Mapping[str, float]]
# Metrics of the current state, such as {"validation_map": 0.4}.
Validate: TypeAlias = Callable[[], Mapping[str, float]]

METRICS = ("loss", "accuracy", "gradient_norm")


class Engine(Protocol):
    """The devices of a run and the computations on them.

    Attributes:
        name: `tensorflow` or `jax`.
        replicas: How many devices train in parallel, over all processes.
        chief: Whether this is the process that writes files.
        alone: Whether this process is the only one of the run.
    """

    name: str
    replicas: int
    chief: bool
    alone: bool

    def describe(self) -> str:
        """The devices, for people."""

    def precision(self, wanted: str) -> str:
        """`auto` -> `mixed_bfloat16` if the devices support it, else `float32`."""

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """The context in which the state is created, restored and initialised."""

    def build(
        self,
        config: TrainConfig,
        num_classes: int,
        margin: float | list[float],
        learning_rate: Any,
        precision: str,
        freeze_updates: int = 0,
    ) -> TrainState:
        """The state that a run's settings describe; call it in the scope."""

    def batches(
        self,
        shards: ShardSet,
        config: TrainConfig,
        size: int,
        num_classes: int,
        start_update: int,
        end_update: int,
    ) -> Iterator[Any]:
        """A batch for each update, starting after the first `start_update` batches."""

    def make_step(self, config: TrainConfig, state: TrainState, size: int) -> Step:
        """The update at one stage's size; call `settle` before you read the state's variables."""

    def settle(self, state: TrainState) -> None:
        """Averages the replicas' BatchNorm statistics; then the state's variables are current."""

    def pictures(self, config: TrainConfig, size: int, batch: Any, count: int) -> np.ndarray:
        """The first photos of the first replica's batch as the model sees them, float in [0, 1]."""

    def validator(
        self,
        state: TrainState,
        shards: ShardSet,
        spec: InputSpec,
        batch_size: int,
        score: Score | None,
    ) -> Validate:
        """Embeds a fold and evaluates it.

        Args:
            state: Whose variables are read at each call.
            shards: The fold.
            spec: How images are made.
            batch_size: Images per replica and step.
            score: Evaluates the embeddings by a search; None skips that.
        """

    def readable_errors(self, folder: str) -> contextlib.AbstractContextManager[None]:
        """Wraps a loop over batches: errors in the data are raised as `UserError`."""

    def reports_lost_workers(self) -> contextlib.AbstractContextManager[None]:
        """Wraps training: the loss of another process is raised as `UserError`."""
