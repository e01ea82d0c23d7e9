"""Training on JAX, over a mesh of all devices of all processes."""

import contextlib
from collections import deque
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding

from glrtf.config.training import TrainConfig
from glrtf.data.augmentation import Augmentation
from glrtf.data.input_spec import InputSpec
from glrtf.data.shards import ShardSet
from glrtf.data.teacher_rows import row_width
from glrtf.models.kernels import Replicas
from glrtf.models.kernels.jax_replicas import AXES
from glrtf.training import jax_devices, jax_placement
from glrtf.training.engine import Score, Step, Validate
from glrtf.training.jax_inputs import batches_on_mesh
from glrtf.training.jax_placement import BY_DEVICE, Values
from glrtf.training.jax_step import make_update
from glrtf.training.jax_validation import JaxValidator
from glrtf.training.plan import updates_in_flight
from glrtf.training.state import TrainState, build_state
from tfrecords_tools.errors import UserError


class JaxEngine:
    """See `Engine`.

    The state's variables stay on the host. Its values are placed on the mesh when the first step is
    made, and copied back in `settle`.

    Args:
        mesh: The devices, its axes named `AXES`.
    """

    name = "jax"

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.replicas = mesh.size
        self.chief = jax.process_index() == 0
        self.alone = jax.process_count() == 1
        self._values: Values | None = None

    @classmethod
    def start(cls, config: TrainConfig, *, fall_back: bool = False) -> "JaxEngine":
        """Finds the devices; call it before any other JAX operation.

        Args:
            config: The run's settings.
            fall_back: As of `find_devices`.

        Raises:
            UserError: See `find_devices`.
        """
        if config.deterministic:
            jax_devices.compute_deterministically()
        devices = jax_devices.find_devices(config.strategy, config.tpu, fall_back=fall_back)
        split = config.head_sharding == "classes"
        return cls(jax_devices.make_mesh(devices, split_classes=split))

    def describe(self) -> str:
        """The devices, as text for the user."""
        return jax_devices.describe(list(self.mesh.devices.flat))

    def precision(self, wanted: str) -> str:
        """See `jax_devices.choose_precision`."""
        return jax_devices.choose_precision(wanted, list(self.mesh.devices.flat))

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Inside this context variables are created and changed in the host's memory."""
        return jax.default_device(jax_devices.host())

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
        replicas = Replicas(self.mesh.shape[AXES[1]])
        return build_state(
            config,
            num_classes,
            margin,
            learning_rate,
            precision,
            replicas,
            freeze_updates,
            row_width(config),
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
        """See `batches_on_mesh`."""
        return batches_on_mesh(self.mesh, shards, config, size, num_classes, start_update)

    def make_step(self, config: TrainConfig, state: TrainState, size: int) -> Step:
        """The update as one compiled program; it does not wait for the last few updates."""
        on_tpu = self.mesh.devices.flat[0].platform == "tpu"
        update = make_update(
            state,
            self.mesh,
            Augmentation(config, size, as_products=on_tpu),
            accumulation_steps=config.accumulation_steps,
            clip_norm=config.clip_norm,
        )
        if self._values is None:
            self._values = jax_placement.place(state, self.mesh)
        sharding = NamedSharding(self.mesh, BY_DEVICE)
        local = len(self.mesh.local_devices)
        in_flight = updates_in_flight(config.batch_size, size)
        running: deque[jax.Array] = deque()

        def step(batch: tuple[jax.Array, ...], stop: float) -> jax.Array:
            answers = jax.make_array_from_process_local_data(
                sharding, np.full(local, stop, np.float32)
            )
            assert self._values is not None
            self._values, figures = update(self._values, batch, answers)
            running.append(figures)
            if len(running) > in_flight:
                running.popleft().block_until_ready()
            return figures.addressable_data(0)

        return step

    def settle(self, state: TrainState) -> None:
        """Averages the devices' BatchNorm statistics; then the state's variables are current."""
        if self._values is None:
            return
        if self.replicas > 1 and self._values.statistics:
            averaged = jax_placement.average_over_devices(self._values.statistics, self.mesh)
            self._values = self._values._replace(statistics=averaged)
        jax_placement.take_back(state, self._values, jax_devices.host())

    def pictures(self, config: TrainConfig, size: int, batch: Any, count: int) -> np.ndarray:
        """See `Engine.pictures`."""
        images = np.array(batch[0].addressable_data(0))[:count]
        varied, _ = jax.jit(Augmentation(config, size))(images, jnp.int32(0), jnp.int32(0))
        return np.asarray(varied)

    def validator(
        self,
        state: TrainState,
        shards: ShardSet,
        spec: InputSpec,
        batch_size: int,
        score: Score | None,
    ) -> Validate:
        """See `JaxValidator`."""
        return JaxValidator(
            self.mesh, state.model, shards, spec=spec, batch_size=batch_size, score=score
        )

    def readable_errors(self, folder: str) -> contextlib.AbstractContextManager[None]:
        """Nothing to do: batches are read in this process."""
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def reports_lost_workers(self) -> Iterator[None]:
        """The loss of another process is raised as `UserError`."""
        try:
            yield
        except jax.errors.JaxRuntimeError as error:
            if self.alone:
                raise
            reason = next(iter(str(error).splitlines()), "")[:200]
            raise UserError(
                f"JAX_COORDINATOR_ADDRESS: a process of the cluster is gone ({reason}); see its "
                "own messages, then start all processes again: the run resumes from its last "
                "checkpoint"
            ) from None
