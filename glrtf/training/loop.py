"""The training loop: updates, and what happens between them."""

import dataclasses
import math
import signal
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from glrtf.config.training import TrainConfig
from glrtf.data.shards import ShardSet
from glrtf.models.arrays import not_finite
from glrtf.training import checkpoints, pictures, workdir
from glrtf.training.callbacks import Logger
from glrtf.training.engine import METRICS, Engine, Validate
from glrtf.training.plan import RunPlan, Stage
from glrtf.training.state import TrainState
from glrtf.training.stop_request import StopRequest
from tfrecords_tools.command import stopping
from tfrecords_tools.errors import UserError
from tfrecords_tools.progress import Progress
from tfrecords_tools.storage import files, temporary_files

_SECONDS_BETWEEN_LOOKS = 1.0
_SHOWN = 16


@dataclasses.dataclass(frozen=True)
class Result:
    """How a call of `Trainer.run` ended.

    Attributes:
        update: Updates made over the whole run.
        finished: Whether the run is at its end; False after SIGTERM, Ctrl-C or `max_hours`.
        metrics: The last epoch's metrics.
    """

    update: int
    finished: bool
    metrics: Mapping[str, float]


class Trainer:
    """Runs the updates of a plan on a state.

    Args:
        config: The run's settings.
        engine: The devices; the state was made in its scope.
        shards: The train split.
        plan: The run in updates.
        state: What is trained.
        num_classes: Classes of the head.
        loggers: Receive the metrics.
        chief: Whether this process writes checkpoints.
        validate: Returns metrics of the model, every `validate_every` epochs.
    """

    def __init__(
        self,
        config: TrainConfig,
        engine: Engine,
        shards: ShardSet,
        plan: RunPlan,
        state: TrainState,
        *,
        num_classes: int,
        loggers: Sequence[Logger] = (),
        chief: bool = True,
        validate: Validate | None = None,
    ) -> None:
        self._config = config
        self._engine = engine
        self._shards = shards
        self._plan = plan
        self._state = state
        self._num_classes = num_classes
        self._loggers = loggers
        self._chief = chief
        self._validate = validate
        self._folder = files.join(config.folder, "checkpoints")
        self._data = workdir.photos_digest(config)
        self._rows = workdir.rows_digest(config)
        self._pending: list[Any] = []
        self._seen: list[np.ndarray] = []
        self._stop = StopRequest(engine.alone, config.max_hours)
        self._saved = state.updater.count

    def run(self) -> Result:
        """Trains to the plan's end, or until SIGTERM, Ctrl-C or the end of `max_hours`.

        After a signal the current update is finished and a checkpoint saved. A second Ctrl-C stops
        at once.

        Raises:
            UserError: If the loss is no longer finite, the data is bad, or another worker is lost.
        """
        update = self._state.updater.count
        metrics: dict[str, float] = {}
        images = (self._plan.total_updates - update) * self._plan.global_batch_size
        with (
            stopping.handled([signal.SIGTERM, signal.SIGINT], self._stop.on_signal),
            self._engine.reports_lost_workers(),
            Progress("train", images, unit="image") as progress,
        ):
            for stage in self._plan.stages:
                if stage.end > update and not self._stop.agreed:
                    update, metrics = self._run_stage(stage, update, progress, metrics)
            if update != self._saved:  # A signal arrived after this update's save.
                self._save(update, {})
        return Result(update, update >= self._plan.total_updates, metrics)

    def _run_stage(
        self, stage: Stage, update: int, progress: Progress, metrics: dict[str, float]
    ) -> tuple[int, dict[str, float]]:
        batches = self._engine.batches(
            self._shards, self._config, stage.size, self._num_classes, update, stage.end
        )
        step = self._engine.make_step(self._config, self._state, stage.size)
        looked = epoch_began = time.monotonic()
        with self._engine.readable_errors(self._config.data):
            while update < stage.end and not self._stop.agreed:
                batch = next(batches)
                if update == 0:
                    self._show(batch, stage.size)
                values = step(batch, self._stop.answer())
                self._pending.append(values)
                self._stop.take(values)
                update += 1
                due = time.monotonic() - looked >= _SECONDS_BETWEEN_LOOKS
                if due or self._plan.ends_epoch(update):
                    note = self._look(update)
                    looked = time.monotonic()
                progress.update(self._plan.global_batch_size, note if due else "")
                if self._plan.ends_epoch(update):
                    metrics = self._end_epoch(update, time.monotonic() - epoch_began)
                    epoch_began = time.monotonic()
                if self._is_save_due(update):
                    # The metrics describe the weights at the epoch's end, not later ones.
                    self._save(update, metrics if self._plan.ends_epoch(update) else {})
        return update, metrics

    def _show(self, batch: tuple, size: int) -> None:
        """Passes a grid of the run's first photos, as the model sees them, to the loggers."""
        varied = self._engine.pictures(self._config, size, batch, _SHOWN)
        for logger in self._loggers:
            logger.images(0, "augmented", pictures.grid(varied))

    def _look(self, update: int) -> str:
        """Fetches the metrics of the updates since the last call; stops if one is not finite."""
        values = [np.asarray(each)[: len(METRICS)] for each in self._pending]
        self._pending.clear()
        self._seen.extend(values)
        for place, name in enumerate(METRICS):
            if not all(math.isfinite(value[place]) for value in values):
                raise self._no_number(name, update)
        return f"loss {values[-1][0]:.3f}, accuracy {values[-1][1]:.3f}" if values else ""

    def _no_number(self, name: str, update: int) -> UserError:
        good = checkpoints.latest(self._folder)
        return UserError(
            f"{name}: expected a number, found NaN or infinity by update {update}; the last good "
            f"checkpoint is {good.path if good else 'none'}; try a smaller --learning_rate "
            f"(the peak was {self._peak():.3g}) or --clip_norm 1"
        )

    def _peak(self) -> float:
        return self._config.peak_learning_rate(self._engine.replicas)

    def _end_epoch(self, update: int, seconds: float) -> dict[str, float]:
        """Averages the epoch's metrics, validates when due, and passes them to the loggers."""
        means = np.mean(self._seen, axis=0)
        metrics = {f"train_{name}": float(mean) for name, mean in zip(METRICS, means, strict=True)}
        metrics["epoch"] = round(self._plan.epoch(update), 4)
        metrics["images"] = update * self._plan.global_batch_size
        metrics["learning_rate"] = self._state.updater.rate_at(update)
        metrics["images_per_second"] = len(self._seen) * self._plan.global_batch_size / seconds
        self._seen.clear()
        every = self._config.validate_every
        due = every and math.floor(self._plan.epoch(update) + 1e-9) % every == 0
        if self._validate and every and (due or update == self._plan.total_updates):
            self._engine.settle(self._state)
            metrics |= self._validated()
        for logger in self._loggers:
            logger.scalars(update, metrics)
        return metrics

    def _validated(self) -> Mapping[str, float]:
        assert self._validate is not None
        if self._state.average is None:
            return self._validate()
        with self._state.average.swapped_in():
            return self._validate()

    def _is_save_due(self, update: int) -> bool:
        every = self._config.checkpoint_every
        due = update % every == 0 if every else self._plan.ends_epoch(update)
        return due or self._stop.agreed or update == self._plan.total_updates

    def _save(self, update: int, metrics: Mapping[str, float]) -> None:
        self._look(update)
        self._engine.settle(self._state)
        self._saved = update
        if not self._chief:
            return
        position = checkpoints.Position(
            update=update,
            epoch=self._plan.epoch(update),
            num_classes=self._num_classes,
            global_batch_size=self._plan.global_batch_size,
            metrics=dict(metrics),
            data=self._data,
            rows=self._rows,
        )
        arrays = self._state.arrays()
        # A NaN gradient with a finite loss in the last update before this save shows only here.
        if name := not_finite(arrays) or not_finite(metrics):
            raise self._no_number(name, update)
        checkpoints.write(self._folder, arrays, position)
        checkpoints.prune(self._folder, self._config.keep_checkpoints)


def resume(
    state: TrainState, plan: RunPlan, config: TrainConfig, num_classes: int
) -> checkpoints.Checkpoint | None:
    """Restores the run's last checkpoint, if it has one.

    If the number of replicas changed, so did the number of images per update: the run then resumes
    with the first update that begins after all images seen so far.

    Returns:
        The checkpoint; None if there is none and the state is still a fresh one.

    Raises:
        UserError: If the checkpoint is damaged or of another number of classes.
    """
    folder = files.join(config.folder, "checkpoints")
    temporary_files.remove_stale(folder)  # Left by a process that was killed while saving.
    found = checkpoints.latest(folder)
    if found is None:
        return None
    if found.position.num_classes != num_classes:
        raise UserError(
            f"{config.folder}: its checkpoint has {found.position.num_classes} classes, the shards "
            f"have {num_classes}; choose another --workdir, with --init_from {config.folder}"
        )
    state.restore(found)
    if found.position.global_batch_size != plan.global_batch_size:
        state.updater.iterations.assign(plan.update_at(found.position.images))
    return found
