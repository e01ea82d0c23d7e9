"""A training run from its settings to its last checkpoint, in named steps."""

import dataclasses
import sys
from collections.abc import Sequence

from glrtf.config.keras_settings import keras
from glrtf.config.training import TrainConfig
from glrtf.data.extra_photos import with_extra_photos
from glrtf.data.input_spec import InputSpec
from glrtf.data.shards import ShardSet, open_shards
from glrtf.models.margins import margins_from_counts
from glrtf.training import engines, loop, workdir
from glrtf.training.callbacks import CsvLogger, Logger, TensorBoardLogger, WandbLogger
from glrtf.training.engine import Engine, Score, Validate
from glrtf.training.pictures import plot_schedule
from glrtf.training.plan import RunPlan, plan_run
from glrtf.training.schedules import make_schedule
from glrtf.training.state import TrainState
from glrtf.training.transfer import initialise
from tfrecords_tools.dataset_info import DatasetInfo
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files


def train(
    config: TrainConfig,
    *,
    most_updates: int | None = None,
    score: Score | None = None,
) -> loop.Result:
    """Trains what the settings describe, or resumes that run.

    If the engine may be JAX, call `engines.select` before this module is imported.

    Args:
        config: The settings; `data` names real shards.
        most_updates: The run has at most this many updates.
        score: Evaluates embeddings of the validation fold by a search.

    Raises:
        UserError: On bad data, a workdir of another run, missing devices, a
            damaged checkpoint, or a loss that is not finite.
    """
    shards = with_extra_photos(open_shards(config.data), config.distill.extra_data)
    num_classes = _num_classes(shards, config.data)
    config = with_max_side(config, shards)
    # The embedded sample is for trying things out: the CPU is enough.
    on_sample = most_updates is not None
    engine, why = engines.start(config, fall_back=on_sample)
    replicas = engine.replicas
    plan = plan_run(shards.num_examples, config.batch_size * replicas, config.stages, most_updates)
    precision = engine.precision(config.precision)
    if config.plot_schedule:
        plot_schedule(schedule_of(config, plan, replicas), plan, config.plot_schedule)
        return loop.Result(0, True, {})
    rate = workdir.claim(config).peak_learning_rate(replicas)
    config = dataclasses.replace(config, learning_rate=rate)
    schedule = schedule_of(config, plan, replicas)
    with engine.scope():
        freeze_updates = round(config.freeze_epochs * plan.updates_per_epoch)
        state = engine.build(
            config,
            num_classes,
            _margin(config),
            schedule,
            precision,
            freeze_updates=freeze_updates,
        )
        found = loop.resume(state, plan, config, num_classes)
        # Only if there is no checkpoint: even a checkpoint of update 0 has weights.
        begun = initialise(state, config) if found is None else found.arrays_path
    seen = state.updater.count * plan.global_batch_size
    _tell(config, plan, begun, shards, num_classes, engine, precision, why)
    loggers = _loggers(config, seen, plan.num_examples) if engine.chief else []
    try:
        return loop.Trainer(
            config,
            engine,
            shards,
            plan,
            state,
            num_classes=num_classes,
            loggers=loggers,
            chief=engine.chief,
            validate=_validator(config, engine, state, score),
        ).run()
    finally:
        for logger in loggers:
            logger.close()


def with_max_side(config: TrainConfig, shards: ShardSet) -> TrainConfig:
    """The settings with max_side taken from the shards (0 for none) if it is not set."""
    if config.input.max_side is not None:
        return config
    read = dataclasses.replace(config.input, max_side=shards.max_side or 0)
    return dataclasses.replace(config, input=read)


def schedule_of(
    config: TrainConfig, plan: RunPlan, replicas: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate schedule of a planned run."""
    return make_schedule(
        config.schedule,
        config.peak_learning_rate(replicas),
        total_updates=plan.total_updates,
        updates_per_epoch=plan.updates_per_epoch,
        warmup_epochs=config.warmup_epochs,
    )


def _num_classes(shards: ShardSet, folder: str) -> int:
    if not shards.num_classes:
        raise UserError(
            f"{folder}: expected dataset_info.json with num_classes next to the train shards, "
            "found none; build them with glrtf build"
        )
    return shards.num_classes


def _margin(config: TrainConfig) -> float | list[float]:
    if not config.class_margins:
        return config.margin
    below = files.join(config.data, "train")
    info = DatasetInfo.load(below if files.exists(below) else config.data)
    return margins_from_counts(info.class_counts.tolist())


def _tell(
    config: TrainConfig,
    plan: RunPlan,
    begun: str,
    shards: ShardSet,
    num_classes: int,
    engine: Engine,
    precision: str,
    why: str,
) -> None:
    """Prints one line about the run: engine, devices, data and size of the updates."""
    replicas = engine.replicas
    without = sum(shard.num_examples for shard in shards.shards if not shard.labelled)
    extra = f" and {without} without labels" if without else ""
    print(
        f"{config.folder}: {engine.name} on {engine.describe()} ({why}): {config.backbone} "
        f"at {config.size} on {shards.num_examples - without} images of {num_classes} "
        f"landmarks{extra}, from {begun}; {plan.total_updates} updates of "
        f"{plan.global_batch_size} images ({replicas} x {config.accumulation_steps} x "
        f"{config.micro_batch}), {precision}, "
        f"peak learning rate {config.peak_learning_rate(replicas):.3g}; "
        "the first update takes longest",
        file=sys.stderr,
    )


def _validator(
    config: TrainConfig, engine: Engine, state: TrainState, score: Score | None
) -> Validate | None:
    """The validation fold that the builder wrote next to train/, if any."""
    folder = files.join(config.data, "validation")
    if not config.validate_every or not files.exists(folder):
        return None
    return engine.validator(
        state,
        open_shards(config.data, "validation"),
        InputSpec.of(config.input, config.size),
        config.micro_batch,
        score,
    )


def _loggers(config: TrainConfig, images: int, num_examples: int) -> Sequence[Logger]:
    logs = files.join(config.folder, "logs")
    loggers: list[Logger] = [
        CsvLogger(files.join(logs, "train.csv"), images, num_examples),
        TensorBoardLogger(logs),
    ]
    if config.wandb_project:
        settings = dataclasses.asdict(config)
        loggers.append(WandbLogger(config.wandb_project, config.folder, settings))
    return loggers
