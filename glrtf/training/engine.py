"""What the training loop asks of TensorFlow or JAX: devices, batches, the update."""

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

The second argument is this process's answer to whether to stop. The result is the means over
the replicas of METRICS and, behind them, of those answers: float32 `(4,)`, for `np.asarray`,
which waits until the update is done.
"""

# From unit rows (n, dimension) float32 and labels (n,) to figures such as {"map": 0.4}. The search
# belongs to the rooms above, so the command hands it in.
Score: TypeAlias = Callable[[np.ndarray, np.ndarray], Mapping[str, float]]
# Figures of the state as it is, such as {"validation_map": 0.4}.
Validate: TypeAlias = Callable[[], Mapping[str, float]]

METRICS = ("loss", "accuracy", "gradient_norm")


class Engine(Protocol):
    """The devices of a run and what computes on them.

    Attributes:
        name: `tensorflow` or `jax`.
        replicas: How many devices train in parallel, over all processes.
        chief: Whether this process is the one that writes files.
        alone: Whether this process is the only one of the run.
    """

    name: str
    replicas: int
    chief: bool
    alone: bool

    def describe(self) -> str:
        """The devices, for people."""

    def precision(self, wanted: str) -> str:
        """`auto` -> `mixed_bfloat16` where the devices have it, else `float32`."""

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """In which the state is made, restored and initialised."""

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
        """A batch for each update, from those that `start_update` updates have not used on."""

    def make_step(self, config: TrainConfig, state: TrainState, size: int) -> Step:
        """The update at one stage's size; the state's variables may not move before `settle`."""

    def settle(self, state: TrainState) -> None:
        """Averages the replicas' BatchNorm statistics; then the state's variables are current."""

    def pictures(self, config: TrainConfig, size: int, batch: Any, count: int) -> np.ndarray:
        """Of a batch's first replica the first photos as the model sees them, float in [0, 1]."""

    def validator(
        self,
        state: TrainState,
        shards: ShardSet,
        spec: InputSpec,
        batch_size: int,
        score: Score | None,
    ) -> Validate:
        """Embeds a fold and rates it.

        Args:
            state: Whose variables are read at each call.
            shards: The fold.
            spec: How images are made.
            batch_size: Images of a replica at once.
            score: Rates the embeddings by a search; None leaves that out.
        """

    def readable_errors(self, folder: str) -> contextlib.AbstractContextManager[None]:
        """Around a loop over batches: trouble in the data comes out as `UserError`."""

    def told_of_lost_workers(self) -> contextlib.AbstractContextManager[None]:
        """Around training: another process's end comes out as `UserError`."""
