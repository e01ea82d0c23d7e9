"""The first and last file of a set of shards: plan.json and dataset_info.json."""

import collections
import dataclasses
import sys
from typing import Any, TypedDict

import numpy as np

from tfrecords_tools import dataset_info, gldv2, images, scans, shard_stats
from tfrecords_tools.arrange import read_names
from tfrecords_tools.build_config import BuildConfig
from tfrecords_tools.dataset_info import DatasetInfo, ShardInfo
from tfrecords_tools.errors import UserError
from tfrecords_tools.inventory import Inventory
from tfrecords_tools.labels import Labels
from tfrecords_tools.shard_stats import ShardStats
from tfrecords_tools.specs import Fold
from tfrecords_tools.storage import csv_files, files, json_shapes, temporary_files

_PLAN_NAME = "plan.json"
_PREVIOUS_NAME = "previous_info.json"
# One photo in that many.
_WORTH_A_NOTE = 100
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
    if files.exists(current) and DatasetInfo.load(fold.folder).source != _source(labels, found):
        previous = files.join(fold.folder, _PREVIOUS_NAME)
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
    names = (dataset_info.FILE_NAME, _PREVIOUS_NAME)
    return any(files.exists(files.join(folder, name)) for name in names)


def previous_info(folder: str) -> DatasetInfo:
    """The finished build that `--only_missing` adds to.

    Raises:
        UserError: If there is none.
    """
    if files.exists(files.join(folder, _PREVIOUS_NAME)):
        return DatasetInfo.load(folder, _PREVIOUS_NAME)
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


def _source(labels: Labels, found: Inventory) -> dict[str, Any]:
    return {
        "labels_sha256": files.sha256(labels.source),
        "tars": found.digests,
        "bad_tars": found.bad_tars,
    }


def finish(
    fold: Fold, config: BuildConfig, labels: Labels, found: Inventory, stats: list[ShardStats]
) -> DatasetInfo:
    """Writes the label map, the lists of left-out images and, last, dataset_info.json."""
    rejects = sorted(reject for shard in stats for reject in shard.rejects)
    _write_rejects(files.join(fold.folder, dataset_info.REJECTS_NAME), rejects, config.source)
    csv_files.write(
        files.join(fold.folder, dataset_info.LEFT_OUT_NAME),
        ["name", "reason", "tar"],
        found.left_out_rows(),
    )
    num_classes = len(labels.landmark_ids)
    if num_classes:
        class_counts = _class_counts(fold, num_classes, rejects)
        dataset_info.write_labels(fold.folder, labels.landmark_ids, class_counts)
    read_back = [dataset_info.LABELS_NAME] if num_classes else []
    info = DatasetInfo(
        split=fold.name,
        num_examples=sum(shard.num_examples for shard in stats),
        num_classes=num_classes,
        shards=tuple(ShardInfo(s.name, s.num_examples, s.bytes, s.sha256) for s in stats),
        counts=_counts(fold, stats),
        source_counts=found.counts,
        settings=settings(config),
        source=_source(labels, found),
        digests={name: files.sha256(files.join(fold.folder, name)) for name in read_back},
        folder=fold.folder,
    )
    _check_sums(info)
    info.save(fold.folder)
    files.delete(files.join(fold.folder, _PREVIOUS_NAME))
    return info


def _write_rejects(path: str, rejects: list[tuple[str, str]], source: str) -> None:
    """Writes rejects.csv, with the photos' own names if `arrange` prepared them."""
    names = read_names(files.join(source, "metadata"))
    if not names:
        csv_files.write(path, ["image_id", "reason"], rejects)
        return
    rows = [(image_id, reason, names.get(image_id, "")) for image_id, reason in rejects]
    csv_files.write(path, ["image_id", "reason", "photo"], rows)


def describe(info: DatasetInfo) -> str:
    """One line on what was built and what was left out."""
    parts = [f"{info.counts[fate]} {fate}" for fate in (images.KEPT, images.REENCODED)]
    parts.append(f"{info.counts[images.REJECTED]} rejected ({dataset_info.REJECTS_NAME})")
    reasons = ("missing", "not_in_labels", "duplicate", "duplicate_row", "foreign")
    left_out = [f"{info.source_counts[name]} {name}" for name in reasons]
    if bad := info.source["bad_tars"]:
        left_out.append(f"{len(bad)} bad tars")
    return (
        f"{info.split}: {info.num_examples} images in {len(info.shards)} shards: "
        f"{', '.join(parts)}; left out ({dataset_info.LEFT_OUT_NAME}): {', '.join(left_out)}"
    )


def notes(info: DatasetInfo, labels: str) -> list[str]:
    """Possible mistakes in a source: photos without a label, labels without a photo.

    Args:
        info: A finished set.
        labels: The CSV of its labels.
    """
    if info.split == gldv2.VALIDATION:
        return []
    counts, lines = info.source_counts, []
    unnamed, members = counts["not_in_labels"], counts["members"]
    missing, labelled = counts["missing"], counts["labelled"]
    if unnamed * _WORTH_A_NOTE > members:
        lines.append(
            f"{info.split}: {unnamed} of {members} photos in the source are not in {labels} and"
            f" are left out (not_in_labels in {dataset_info.LEFT_OUT_NAME})"
        )
    if missing * _WORTH_A_NOTE > labelled:
        lines.append(
            f"{info.split}: {missing} of {labelled} photos in {labels} are not in the source"
            f" (missing in {dataset_info.LEFT_OUT_NAME})"
        )
    return lines


def _class_counts(fold: Fold, num_classes: int, rejects: list[tuple[str, str]]) -> np.ndarray:
    """Records of each label: the plan's, less the rejected ones."""
    planned = fold.plan.images
    rejected = np.array([gldv2.parse_id(image_id) for image_id, _ in rejects], np.uint64)
    written = planned.labels[~np.isin(planned.ids, rejected)]
    return np.bincount(written, minlength=num_classes)


def _counts(fold: Fold, stats: list[ShardStats]) -> dict[str, int]:
    counts: collections.Counter[str] = collections.Counter()
    for shard in stats:
        counts.update(shard.fates)
    return {"planned": len(fold.plan.images), **counts}


def _check_sums(info: DatasetInfo) -> None:
    """Checks that no image was lost; a difference is a bug."""
    counts, source = info.counts, info.source_counts
    fates = [counts[fate] for fate in (images.KEPT, images.REENCODED, images.REJECTED)]
    sound = (
        counts["planned"] == sum(fates)
        and info.num_examples == fates[0] + fates[1]
        and source["members"]
        == sum(source[name] for name in ("usable", "duplicate", "foreign", "not_in_labels"))
        and source["labelled"] == source["usable"] + source["missing"]
    )
    if not sound:
        raise RuntimeError(f"images do not add up in {info.split}: {counts}, {source}")
