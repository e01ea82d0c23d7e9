"""A run's folder: made once, gone on with only under the same settings."""

import dataclasses

from glrtf.config.training import TrainConfig
from glrtf.training import checkpoints
from tfrecords_tools import cli, files, sealed
from tfrecords_tools.errors import UserError

# What may change between two starts of one run: where it runs and what it tells.
_FREE = (
    *("workdir", "strategy", "tpu", "keep_checkpoints", "checkpoint_every", "validate_every"),
    *("wandb_project", "plot_schedule", "remat", "head_sharding"),
)


def claim(config: TrainConfig) -> None:
    """Makes the run's workdir and saves the settings, or checks that they are the saved ones.

    Until there is a checkpoint there is no run: one that could not fetch its weights, or had no
    memory for its batch, is begun again under the settings that work.

    Raises:
        UserError: If the folder is another run's, or holds checkpoints without settings.
    """
    for folder in (config.folder, files.join(config.folder, "checkpoints")):
        files.remove_stale(folder)  # What killed processes left half written.
    path = files.join(config.folder, "config.yaml")
    begun = checkpoints.list_all(files.join(config.folder, "checkpoints"))
    if begun and files.exists(path):
        _refuse_changes(checkpoints.read_config(config.folder), config)
    elif begun:
        raise UserError(
            f"{config.folder}: expected config.yaml beside checkpoints/, found none; "
            "restore it or choose another --workdir"
        )
    files.write_bytes(path, sealed.seal(cli.to_yaml(config)))


def _refuse_changes(saved: TrainConfig, config: TrainConfig) -> None:
    before, now = dataclasses.asdict(saved), dataclasses.asdict(config)
    changed = [
        f"{name} {before[name]!r}, now {now[name]!r}"
        for name in before
        if name not in _FREE and before[name] != now[name]
    ]
    if changed:
        raise UserError(
            f"{config.folder}: holds a run with other settings ({'; '.join(changed)}); "
            "use those, or choose another --workdir"
        )
