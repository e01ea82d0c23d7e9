"""Runs of the tiny model: a trainer as the command makes it, and a recording logger."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tiny_models import tiny_model

from glrtf.config.training import TrainConfig
from glrtf.training import checkpoints
from tfrecords_tools.command import cli


def small_run(data: Any, workdir: Any, **settings: Any) -> TrainConfig:
    """Settings of a run of the tiny model: 4 images an update in two micro-batches."""
    return TrainConfig(
        size=32,
        data=str(data),
        workdir=str(workdir),
        batch_size=4,
        accumulation_steps=2,
        **settings,
    )


class Recorder:
    """A logger that remembers, and may do something at an update."""

    def __init__(self, at: int | None = None, action: Callable[[], Any] | None = None) -> None:
        self.rows: dict[int, dict[str, float]] = {}
        self.pictures: list[tuple[int, str, np.ndarray]] = []
        self._at, self._action = at, action

    def scalars(self, update: int, values: Mapping[str, float]) -> None:
        self.rows[update] = dict(values)
        if update == self._at and self._action:
            self._action()

    def images(self, update: int, name: str, images: np.ndarray) -> None:
        self.pictures.append((update, name, images))

    def close(self) -> None:
        pass


def trainer(
    config: TrainConfig,
    *,
    strategy: Any = None,
    engine: Any = None,
    dropout: float = 0.5,
    loggers: Sequence[Any] = (),
    validate: Any = None,
    classes: int = 5,
    chief: bool = True,
) -> tuple[Any, Any]:
    """A `Trainer` of the tiny model, resumed from its last checkpoint, and its state."""
    from glrtf.data.shards import open_shards
    from glrtf.training import loop
    from glrtf.training.optimizers import Updater
    from glrtf.training.plan import plan_run
    from glrtf.training.schedules import make_schedule
    from glrtf.training.state import TrainState

    engine = engine or _on_tensorflow(strategy)
    replicas = engine.replicas
    shards = open_shards(config.data)
    plan = plan_run(shards.num_examples, config.batch_size * replicas, config.stages)
    schedule = make_schedule(
        "cosine",
        1e-2,
        total_updates=plan.total_updates,
        updates_per_epoch=plan.updates_per_epoch,
    )
    with engine.scope():
        model = tiny_model(classes, batch_norm=True, dropout=dropout)
        updater = Updater("adam", schedule, model.trainable_variables)
        state = TrainState(model, updater, config.ema_momentum)
    loop.resume(state, plan, config, classes)
    made = loop.Trainer(
        config, engine, shards, plan, state,
        num_classes=classes, loggers=loggers, validate=validate, chief=chief,
    )  # fmt: skip
    return made, state


def _on_tensorflow(strategy: Any) -> Any:
    import tensorflow as tf

    from glrtf.training.tensorflow_engine import TensorFlowEngine

    return TensorFlowEngine(strategy or tf.distribute.OneDeviceStrategy("/cpu:0"))


def folder_of(config: TrainConfig) -> str:
    """Where a run keeps its checkpoints."""
    return os.path.join(config.folder, "checkpoints")


def updates(config: TrainConfig) -> list[int]:
    """After which updates there are checkpoints."""
    return [c.position.update for c in checkpoints.list_all(folder_of(config))]


def write_workdir(folder: Path, size: int) -> str:
    """Writes the settings and the first checkpoint of a run of v2b0, or what stands for it.

    Args:
        folder: The run's workdir.
        size: The images' side in pixels.
    """
    from glrtf.models.retrieval_model import embedding_model_from_config

    config = TrainConfig(backbone="v2b0", size=size, workdir=str(folder))
    (folder / "config.yaml").write_text(cli.to_yaml(config))
    arrays = {
        name: variable.value.numpy()
        for name, variable in checkpoints.embedding_arrays(
            embedding_model_from_config(config)
        ).items()
    }
    checkpoints.write(str(folder / "checkpoints"), arrays, checkpoints.Position(1, 0.1, 5, 36))
    return str(folder)
