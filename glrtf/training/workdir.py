"""A run's folder: created once, resumed only with the same settings."""

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

from glrtf.config.training import TrainConfig
from glrtf.data.extra_photos import split_of
from glrtf.data.teacher_rows import rows_folders
from glrtf.embeddings.info import digest_of, read_info
from glrtf.training import checkpoints
from tfrecords_tools.command import cli
from tfrecords_tools.dataset_info import FILE_NAME, DatasetInfo
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, temporary_files

# What may change between two starts of one run: where it runs, what it logs, how it is computed and
# how data is read. Data and rows may move; `_refuse_other_data` and `_refuse_other_rows` compare
# their content.
_FREE = (
    *(
        "workdir",
        "engine",
        "strategy",
        "tpu",
        "keep_checkpoints",
        "checkpoint_every",
        "validate_every",
        "max_hours",
    ),
    *("wandb_project", "plot_schedule", "remat", "head_sharding", "accumulation_steps", "data"),
    *("distill.rows", "distill.extra_data", "distill.extra_rows"),
    *("input.max_bad_records", "input.exact_resize", "input.files_at_once"),
)


def claim(config: TrainConfig) -> TrainConfig:
    """Creates the run's workdir and saves the settings, or checks that they are the saved ones.

    A run exists only once it has a checkpoint: one that could not fetch its weights, or ran out of
    memory, can be restarted with other settings.

    Returns:
        The settings that the run keeps: with the accumulation_steps that it began with, which
        determine its learning rate if none is given.

    Raises:
        UserError: If the folder belongs to another run, or has checkpoints without settings.
    """
    for folder in (config.folder, files.join(config.folder, "checkpoints")):
        temporary_files.remove_stale(folder)  # Files that killed processes left half written.
    path = files.join(config.folder, "config.yaml")
    begun = checkpoints.list_all(files.join(config.folder, "checkpoints"))
    if begun and files.exists(path):
        saved = checkpoints.read_config(config.folder, config.backbone)
        _refuse_changes(saved, config)
        _refuse_other_data(begun[-1].position.data, saved, config)
        _refuse_other_rows(begun[-1].position.rows, config)
        config = dataclasses.replace(config, accumulation_steps=saved.accumulation_steps)
    elif begun:
        raise UserError(
            f"{config.folder}: expected config.yaml next to checkpoints/, found none; "
            "restore it or choose another --workdir"
        )
    files.write_bytes(path, cli.to_yaml(config).encode())
    return config


def data_digest(folder: str, split: str = "train") -> str:
    """A digest of a split's shards, wherever they are stored: 64 hex digits; empty without shards.

    Args:
        folder: A data folder, or the split's.
        split: Which split.
    """
    below = files.join(folder, split)
    place = below if files.exists(files.join(below, FILE_NAME)) else folder
    if not files.exists(files.join(place, FILE_NAME)):
        return ""
    info = DatasetInfo.load(place)
    shards = [f"{shard.num_examples} {shard.sha256}" for shard in info.shards]
    return hashlib.sha256("\n".join([str(info.num_classes), *shards]).encode()).hexdigest()


def photos_digest(config: TrainConfig) -> str:
    """A digest of all photos that a run learns from, wherever they are stored."""
    labelled = data_digest(config.data)
    if not config.distill.extra_data:
        return labelled
    extra = [data_digest(folder, split_of(folder)) for folder in config.distill.extra_data]
    return hashlib.sha256("\n".join([labelled, *extra]).encode()).hexdigest()


def rows_digest(config: TrainConfig) -> str:
    """What the sets that a run learns from hold, wherever they lie; empty without one."""
    if not config.distill.rows:
        return ""
    first, *extra = [digest_of(read_info(folder)) for folder in rows_folders(config.distill)]
    return hashlib.sha256("\n".join([first, *extra]).encode()).hexdigest() if extra else first


def _refuse_changes(saved: TrainConfig, config: TrainConfig) -> None:
    before, now = _flat(dataclasses.asdict(saved)), _flat(dataclasses.asdict(config))
    changed = [
        f"{name} {before[name]!r}, now {now[name]!r}"
        for name in before
        if name not in _FREE
        and before[name] != now[name]
        # Runs of earlier versions do not record it; the data is compared by its digest.
        and not (name == "input.max_side" and before[name] is None)
    ]
    if changed:
        raise UserError(
            f"{config.folder}: holds a run with other settings ({'; '.join(changed)}); "
            "use those, or choose another --workdir"
        )


def _refuse_other_data(recorded: str, saved: TrainConfig, config: TrainConfig) -> None:
    """Refuses shards other than those of the run's checkpoints.

    Args:
        recorded: `photos_digest` of what the last checkpoint was trained on; empty in those of
            earlier versions, whose data is then read at its old path.
        saved: The run's settings.
        config: The settings of this start.
    """
    if not recorded and saved.data == config.data and not config.distill.extra_data:
        return
    expected, found = recorded or data_digest(saved.data), photos_digest(config)
    if expected and expected == found:
        return
    what = "other shards than" if expected else "shards that cannot be compared with"
    before = _named(saved.data, saved.distill.extra_data)
    raise UserError(
        f"{config.folder}: holds a run with other settings (data {before}, now "
        f"{_named(config.data, config.distill.extra_data)}, which holds {what} the run's); use "
        "those, or choose another --workdir"
    )


def _named(data: str, extra: Sequence[str]) -> str:
    """The photos of a run, for messages."""
    return f"{data!r} with --distill.extra_data {' '.join(extra)}" if extra else repr(data)


def _refuse_other_rows(recorded: str, config: TrainConfig) -> None:
    """Refuses another set of rows than the run's checkpoints were trained on."""
    if recorded == rows_digest(config):
        return
    named = " and ".join(rows_folders(config.distill)) or "none"
    expected = f"the set with digest {recorded[:12]}…" if recorded else "no rows"
    raise UserError(
        f"{config.folder}: --distill.rows: expected {expected}, as the run began, found {named}; "
        "use that one, or choose another --workdir"
    )


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by their dotted names, as on the command line."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
