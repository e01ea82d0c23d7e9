"""The last files of a set of shards: label map, left-out images and dataset_info.json."""

import collections

import numpy as np

from tfrecords_tools import dataset_info, fold_plan, gldv2, images
from tfrecords_tools.arrange import read_names
from tfrecords_tools.build_config import BuildConfig
from tfrecords_tools.dataset_info import DatasetInfo, ShardInfo
from tfrecords_tools.inventory import Inventory
from tfrecords_tools.labels import Labels
from tfrecords_tools.shard_stats import ShardStats
from tfrecords_tools.specs import Fold
from tfrecords_tools.storage import csv_files, files

# One photo in that many.
_WORTH_A_NOTE = 100


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
        settings=fold_plan.settings(config),
        source=fold_plan.source(labels, found),
        digests={name: files.sha256(files.join(fold.folder, name)) for name in read_back},
        folder=fold.folder,
    )
    _check_sums(info)
    info.save(fold.folder)
    files.delete(files.join(fold.folder, fold_plan.PREVIOUS_NAME))
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
