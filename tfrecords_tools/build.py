"""Builds TFRecord shards from Google Landmarks v2: `python -m tfrecords_tools.build`."""

import sys
from collections.abc import Iterator, Sequence

import numpy as np

from tfrecords_tools import cli, files, finish, gldv2, inventory, runners, sharding, writer
from tfrecords_tools.build_config import BuildConfig, parse_size
from tfrecords_tools.errors import UserError
from tfrecords_tools.gldv2 import Layout
from tfrecords_tools.inventory import Inventory
from tfrecords_tools.labels import Labels, read_labels
from tfrecords_tools.progress import Progress
from tfrecords_tools.specs import Fold

__all__ = ["BuildConfig", "build", "main"]


def build(config: BuildConfig) -> None:
    """Builds the shards of every split asked for.

    All input is looked at before anything is written. What an earlier run has
    finished is not done again.

    Raises:
        UserError: If the source, its CSVs or the output folder are not as expected.
    """
    sources = [_read_source(config, split) for split in config.splits]
    for layout, labels in sources:
        scans = _scan(config, layout)
        found = inventory.take_inventory(layout, labels, scans)
        for fold in _folds(config, layout, labels, found):
            finish.begin(fold, config)
            stats = _write_shards(fold, config)
            finish.finish(fold, config, labels, found, stats)


def _read_source(config: BuildConfig, split: str) -> tuple[Layout, Labels]:
    layout = gldv2.find_layout(config.source, split)
    return layout, read_labels(config.source, split, config.labels)


def _scan(config: BuildConfig, layout: Layout) -> list[inventory.TarScan]:
    """Reads the contents of every tar, or of the extracted folders."""
    if not layout.tars:
        return [inventory.scan_folder(layout)]
    jobs = [inventory.ScanJob(layout, tar, config.check_md5) for tar in layout.tars]
    scans = []
    with Progress(f"index {layout.split}", len(jobs), "tar") as progress:
        for scan in runners.run_jobs(inventory.scan_tar, jobs, _workers(config, len(jobs))):
            scans.append(scan)
            progress.update()
    scans.sort(key=lambda scan: scan.tar)
    bad = [f"{scan.tar} ({scan.fault})" for scan in scans if scan.fault]
    if bad and config.bad_tars == "fail":
        raise UserError(
            f"{layout.folder}: {len(bad)} of {len(scans)} tars are bad: {', '.join(bad[:5])}"
            f"{', …' if len(bad) > 5 else ''}; fetch them again, or build without them "
            "(--bad_tars skip)"
        )
    return scans


def _folds(config: BuildConfig, layout: Layout, labels: Labels, found: Inventory) -> Iterator[Fold]:
    """Plans the split's shards, and those of the validation fold where one is asked for."""
    parts = {layout.split: found.images}
    if layout.split == "train" and config.validation_fraction:
        chosen = sharding.validation_mask(
            found.images.ids, found.images.labels, config.validation_fraction
        )
        parts = {"train": found.images.take(~chosen), gldv2.VALIDATION: found.images.take(chosen)}
    for name, images in parts.items():
        total = int(images.sizes.sum(dtype=np.int64))
        num_shards = config.num_shards or sharding.count_shards(
            total, parse_size(config.shard_size)
        )
        yield Fold(
            name=name,
            folder=files.join(config.output, name),
            layout=layout,
            digests=found.digests,
            plan=sharding.make_plan(images, num_shards),
            landmark_ids=labels.landmark_ids,
            settings=config.image_settings(),
        )


def _write_shards(fold: Fold, config: BuildConfig) -> list[writer.ShardStats]:
    """Writes every shard that is not there yet; returns their receipts in order."""
    stats, megabytes = [], 0.0
    workers = _workers(config, fold.plan.num_shards)
    with Progress(f"build {fold.name}", len(fold.plan.images), "image") as progress:
        for done in runners.run_jobs(writer.write_shard, fold.specs(), workers):
            stats.append(done)
            megabytes += done.source_bytes / 1e6
            progress.update(sum(done.fates.values()), f"{megabytes / progress.seconds:.1f} MB/s")
    return sorted(stats, key=lambda done: done.name)


def _workers(config: BuildConfig, num_jobs: int) -> int:
    return max(1, min(config.workers or runners.default_workers(), num_jobs))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return cli.run(BuildConfig, build, prog="python -m tfrecords_tools.build", argv=argv)


if __name__ == "__main__":
    sys.exit(main())
