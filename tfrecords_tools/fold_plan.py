"""plan.json of a set of shards: which settings and source an unfinished build belongs to."""

import dataclasses
import sys
from typing import Any, TypedDict

from tfrecords_tools import dataset_info, scans, shard_stats
from tfrecords_tools.build_config import BuildConfig
from tfrecords_tools.dataset_info import DatasetInfo
from tfrecords_tools.errors import UserError
from tfrecords_tools.inventory import Inventory
from tfrecords_tools.labels import Labels
from tfrecords_tools.specs import Fold
from tfrecords_tools.storage import files, json_shapes, temporary_files

_PLAN_NAME = "plan.json"
PREVIOUS_NAME = "previous_info.json"
"""The description of a finished build while `--only_missing` adds to it."""
_FOLDERS = (shard_stats.FOLDER, scans.INDEX_FOLDER)


class _BegunPlanFile(TypedDict):
    """plan.json of a build that has started."""

    settings: dict[str, Any]


class _PlanFile(_BegunPlanFile, total=False):
    """The same, with the facts known after reading the source."""

    num_shards: int


def begin(folder: str, config: BuildConfig) -> None:
    """Writes plan.json, so that no run with other settings can mix its shards in.

    Files left by killed runs are deleted.

    Raises:
        UserError: If the folder contains a build with other settings, or something else.
    """
    local = [temporary_files.upload_folder()] if files.is_remote(folder) else []
    for place in (folder, *(files.join(folder, name) for name in _FOLDERS), *local):
        temporary_files.remove_stale(place)
    path = files.join(folder, _PLAN_NAME)
    if files.exists(path):
        _check_same(path, json_shapes.read(path, _PlanFile)["settings"], settings(config))
        return
    if files.exists(folder) and (names := files.list_names(folder)):
        raise UserError(
            f"{folder}: expected an empty folder or an unfinished build, found {names[0]}; "
            "choose another --output"
        )
    files.write_json(path, {"settings": settings(config)})


def settle(fold: Fold, labels: Labels, found: Inventory) -> None:
    """Records the number of shards, and puts aside the description of a build from another source.

    Raises:
        UserError: If the folder was started with another number of shards.
    """
    path = files.join(fold.folder, _PLAN_NAME)
    plan = json_shapes.read(path, _PlanFile)
    if "num_shards" not in plan:
        files.write_json(path, {**plan, "num_shards": fold.plan.num_shards})
    elif plan["num_shards"] != fold.plan.num_shards:
        raise UserError(
            f"{path}: this folder was started with {plan['num_shards']} shards, the source now "
            f"makes {fold.plan.num_shards}; add what was fetched again with --only_missing, or "
            "choose another --output"
        )
    current = files.join(fold.folder, dataset_info.FILE_NAME)
    if files.exists(current) and DatasetInfo.load(fold.folder).source != source(labels, found):
        previous = files.join(fold.folder, PREVIOUS_NAME)
        if not files.exists(previous):
            files.write_bytes(previous, files.read_bytes(current))
        files.delete(current)


def leave_out(fold: Fold) -> None:
    """Reports that a fold would be empty, and removes its first files.

    Only a validation fold can be empty: one image of every landmark stays in train.
    """
    files.delete(files.join(fold.folder, _PLAN_NAME))
    files.remove_empty(fold.folder)
    print(
        f"note: {fold.folder}: no {fold.name} fold is built: none of its images could be spared, "
        "as one image of each landmark stays in train; raise --validation_fraction, or train "
        "without validation",
        file=sys.stderr,
    )


def is_finished(folder: str) -> bool:
    """Whether a folder contains a finished build, or one that `--only_missing` adds to."""
    names = (dataset_info.FILE_NAME, PREVIOUS_NAME)
    return any(files.exists(files.join(folder, name)) for name in names)


def previous_info(folder: str) -> DatasetInfo:
    """The finished build that `--only_missing` adds to.

    Raises:
        UserError: If there is none.
    """
    if files.exists(files.join(folder, PREVIOUS_NAME)):
        return DatasetInfo.load(folder, PREVIOUS_NAME)
    if not files.exists(files.join(folder, dataset_info.FILE_NAME)):
        raise UserError(
            f"{folder}: --only_missing adds to a finished build, found none; build without it first"
        )
    return DatasetInfo.load(folder)


def settings(config: BuildConfig) -> dict[str, Any]:
    """The settings that the shards' bytes depend on."""
    values = dataclasses.asdict(config.image_settings())
    names = ("labels", "num_shards", "shard_size", "validation_fraction")
    values |= {name: getattr(config, name) for name in names}
    if config.num_shards:
        del values["shard_size"]
    return values


def _check_same(path: str, found: dict[str, Any], expected: dict[str, Any]) -> None:
    for name, value in expected.items():
        if found.get(name) != value:
            raise UserError(
                f"{path}: this folder was started with {name} {found.get(name)}, now it is "
                f"{value}; use the same settings, or another --output"
            )


def source(labels: Labels, found: Inventory) -> dict[str, Any]:
    """What the shards were made from, by digest."""
    return {
        "labels_sha256": files.sha256(labels.source),
        "tars": found.digests,
        "bad_tars": found.bad_tars,
    }
