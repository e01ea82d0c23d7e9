"""Builds TFRecord shards from Google Landmarks v2: `glrtf build`."""

import dataclasses
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from tfrecords_tools import (
    finish,
    fold_plan,
    gldv2,
    inventory,
    runners,
    scans,
    shard_stats,
    sharding,
)
from tfrecords_tools.build_config import BuildConfig, parse_size
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.typed_settings import checked
from tfrecords_tools.dataset_info import DatasetInfo
from tfrecords_tools.errors import UserError
from tfrecords_tools.gldv2 import Layout
from tfrecords_tools.inventory import Inventory
from tfrecords_tools.labels import Labels, read_labels
from tfrecords_tools.progress import Progress
from tfrecords_tools.shard_stats import ShardStats
from tfrecords_tools.specs import Fold
from tfrecords_tools.storage import files

# Photos of a shard when there are more shards than photos.
_FEW = 100

__all__ = ["BuildConfig", "BuildResult", "build", "main"]


@dataclasses.dataclass(frozen=True)
class BuildResult:
    """Built shards.

    Attributes:
        folder: The output folder.
        sets: Split → the finished set; without those that wait for shards of other tasks.
        missing: Split → shards that other tasks have not written yet.
    """

    folder: str
    sets: dict[str, DatasetInfo]
    missing: dict[str, int]


def build(config: BuildConfig) -> BuildResult:
    """Builds the shards of every split that the settings name.

    All CSVs and folders are checked before anything is written. Work that an earlier run finished
    is not repeated.

    Raises:
        UserError: If the source, its CSVs or the output folder are not as expected.
    """
    config = checked(config, BuildConfig)
    expected.new_folder("--output", config.output)
    sets: dict[str, DatasetInfo] = {}
    missing: dict[str, int] = {}
    sources = [_read_source(config, split) for split in config.splits]
    for layout, labels in sources:
        for name in _fold_names(config, layout.split):
            fold_plan.begin(files.join(config.output, name), config)
        layout, scanned, known = _scan(config, layout)
        found = inventory.take_inventory(layout, labels, scanned)
        for fold in _folds(config, layout, labels, found, known):
            if not len(fold.plan.images):
                fold_plan.leave_out(fold)
                continue
            fold_plan.settle(fold, labels, found)
            runners.run_shards(fold, config)
            info, left = _finish(config, fold, labels, found)
            if info:
                sets[fold.name] = info
            else:
                missing[fold.name] = left
    return BuildResult(config.output, sets, missing)


def _read_source(config: BuildConfig, split: str) -> tuple[Layout, Labels]:
    if not files.exists(files.join(config.source, split)):
        present = [each for each in config.splits if files.exists(files.join(config.source, each))]
        if present:
            raise UserError(
                f"{files.join(config.source, split)}: no such folder; to build what there is, use"
                f" --splits {' '.join(present)}"
            )
    layout = gldv2.find_layout(config.source, split)
    return layout, read_labels(config.source, split, config.labels)


def _fold_names(config: BuildConfig, split: str) -> list[str]:
    with_validation = split == "train" and config.validation_fraction
    return [split, gldv2.VALIDATION] if with_validation else [split]


def _scan(
    config: BuildConfig, layout: Layout
) -> tuple[Layout, list[scans.TarScan], frozenset[str]]:
    """Reads the contents of every tar, or of the extracted folders.

    Returns:
        The layout with all tars, the content of each, and the names of those whose images are
        already in the shards (with `only_missing`).
    """
    if not layout.tars:
        return layout, [scans.scan_folder(layout)], frozenset()
    memory = files.join(config.output, layout.split, scans.INDEX_FOLDER)
    done: list[scans.TarScan] = []
    if config.only_missing:
        done = _known_tars(files.join(config.output, layout.split), memory)
    known = frozenset(scan.tar for scan in done)
    layout = dataclasses.replace(layout, tars=tuple(sorted({*layout.tars, *known})))
    jobs = [
        scans.ScanJob(layout, tar, config.check_md5, memory)
        for tar in layout.tars
        if tar not in known
    ]
    # Tasks start with different tars, so that each can use the work of the others.
    start = len(jobs) * config.task_index // config.num_tasks
    jobs = jobs[start:] + jobs[:start]
    workers = runners.count_workers(
        config.workers, len(jobs), scans.bytes_to_read(layout, config.check_md5)
    )
    with Progress(f"index {layout.split}", len(jobs), "tar") as progress:
        for scan in runners.run_jobs(scans.scan_tar, jobs, workers):
            done.append(scan)
            progress.update()
    done.sort(key=lambda scan: scan.tar)
    _refuse_bad(config, layout, done)
    return layout, done, known


def _known_tars(folder: str, memory: str) -> list[scans.TarScan]:
    """The content of a finished build's tars, whether or not they still exist."""
    previous = fold_plan.previous_info(folder)
    known = [scans.recall(memory, tar) for tar in previous.source["tars"]]
    if None in known:
        raise UserError(
            f"{memory}: expected the index of every tar of the finished build; it is gone: "
            "build without --only_missing"
        )
    return [scan for scan in known if scan is not None]


def _refuse_bad(config: BuildConfig, layout: Layout, scanned: list[scans.TarScan]) -> None:
    bad = [f"{scan.tar} ({scan.fault})" for scan in scanned if scan.fault]
    if bad and config.bad_tars == "fail":
        raise UserError(
            f"{layout.folder}: {len(bad)} of {len(scanned)} tars are bad: {', '.join(bad[:5])}"
            f"{', …' if len(bad) > 5 else ''}; fetch them again, or build without them "
            "(--bad_tars skip)"
        )


def _folds(
    config: BuildConfig, layout: Layout, labels: Labels, found: Inventory, known: frozenset[str]
) -> Iterator[Fold]:
    """Plans the split's shards, and those of the validation fold if requested."""
    names = _fold_names(config, layout.split)
    parts = [found.images]
    if len(names) == 2:
        # Chosen among all labelled images, so that a missing tar does not move any image.
        fraction = config.validation_fraction
        chosen = labels.ids[sharding.validation_mask(labels.ids, labels.labels, fraction)]
        mask = np.isin(found.images.ids, chosen)
        parts = [found.images.take(~mask), found.images.take(mask)]
    for name, images in zip(names, parts, strict=True):
        folder = files.join(config.output, name)
        total = int(images.sizes.sum(dtype=np.int64))
        num_shards = config.num_shards or sharding.count_shards(
            total, parse_size(config.shard_size)
        )
        if num_shards > max(1, len(images)):
            print(
                f"note: {name}: {num_shards} shards for {len(images)} photos: most will be empty;"
                f" --num_shards {max(1, len(images) // _FEW)} or none is enough",
                file=sys.stderr,
            )
        # An empty validation fold has no finished build to add to.
        if config.only_missing and (name != gldv2.VALIDATION or fold_plan.is_finished(folder)):
            num_shards = len(fold_plan.previous_info(folder).shards)
        yield Fold(
            name=name,
            folder=folder,
            layout=layout,
            digests=found.digests,
            plan=sharding.plan_shards(images, num_shards),
            landmark_ids=labels.landmark_ids,
            settings=config.image_settings(),
            known=known,
        )


def _finish(
    config: BuildConfig, fold: Fold, labels: Labels, found: Inventory
) -> tuple[DatasetInfo | None, int]:
    """Writes dataset_info.json if all shards exist; returns how many are missing."""
    receipts: list[ShardStats] = []
    for spec in fold.specs():
        stats = shard_stats.load(fold.folder, spec.name)
        if stats and stats.spec == spec.digest:
            receipts.append(stats)
    if left := fold.plan.num_shards - len(receipts):
        print(
            f"task {config.task_index} of {config.num_tasks}: done with {fold.name}; "
            f"{left} shards of other tasks are still to come; the last writes dataset_info.json",
            file=sys.stderr,
        )
        return None, left
    info = finish.finish(fold, config, labels, found, receipts)
    print(finish.describe(info), file=sys.stderr)
    for note in finish.notes(info, labels.source):
        print(f"note: {note}", file=sys.stderr)
    return info, 0


def run_build(config: BuildConfig) -> None:
    """The command; progress and notes are printed as they come."""
    build(config)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return cli.run(BuildConfig, run_build, argv=argv, resumes=True)


if __name__ == "__main__":
    sys.exit(main())
