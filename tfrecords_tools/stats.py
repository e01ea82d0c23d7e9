"""Statistics of a build, and a curve: `glrtf stats OUTPUT`."""

import collections
import dataclasses
import io
import sys
from collections.abc import Mapping, Sequence

import numpy as np

from tfrecords_tools import csv_rows, shard_stats
from tfrecords_tools.check import find_infos
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.typed_settings import checked
from tfrecords_tools.dataset_info import REJECTS_NAME, DatasetInfo
from tfrecords_tools.errors import optional_package
from tfrecords_tools.storage import files

_SHOWN = 10


@dataclasses.dataclass
class StatsConfig:
    """Print class counts and image sizes of finished shards, and draw the class-size curve.

    Attributes:
        output: A folder of shards with dataset_info.json, or one that holds such folders.
        curve: File for a curve of the class sizes, PNG; empty draws none.
    """

    output: str
    curve: str = ""


@dataclasses.dataclass(frozen=True)
class SetStats:
    """Figures of one set of shards.

    Attributes:
        info: Its description; ``info.class_counts`` are the images of each label.
        rejects: Reason → how many images were rejected for it, most first.
        longest_sides: Pixels, rounded down to hundreds → images.
        encoded_kib: KiB, rounded down to fifties → images.
    """

    info: DatasetInfo
    rejects: dict[str, int]
    longest_sides: dict[int, int]
    encoded_kib: dict[int, int]


@dataclasses.dataclass(frozen=True)
class StatsResult:
    """Figures of finished shards.

    Attributes:
        sets: Every set below the folder.
        curve: The plot of the class sizes; empty if none was drawn.
    """

    sets: tuple[SetStats, ...]
    curve: str


def stats(config: StatsConfig) -> StatsResult:
    """Counts the content of every set of shards below a folder.

    Raises:
        UserError: If there are no finished shards, or Matplotlib is missing for the curve.
    """
    config = checked(config, StatsConfig)
    if config.curve:
        expected.new_file("--curve", config.curve, config)
    infos = list(find_infos(config.output))
    sets = tuple(map(stats_of, infos))
    labelled = [info for info in infos if info.num_classes]
    curve = config.curve if labelled else ""
    if curve:
        draw_curve(labelled, curve)
    return StatsResult(sets, curve)


def stats_of(info: DatasetInfo) -> SetStats:
    """Counts the content of one set of shards."""
    return SetStats(info, _reject_reasons(info), *_histograms(info))


def run_stats(config: StatsConfig) -> None:
    """Counts and prints the figures."""
    result = stats(config)
    for each in result.sets:
        print("\n".join(describe(each)))
    if result.curve:
        print(f"{result.curve}: images of each landmark, largest first")


def describe(found: SetStats) -> list[str]:
    """The figures of one set of shards, one line each."""
    info = found.info
    num_bytes = sum(shard.bytes for shard in info.shards)
    lines = [
        f"{info.split}: {info.num_examples} images, {len(info.shards)} shards, "
        f"{num_bytes / 1e6:.1f} MB",
        "  " + ", ".join(f"{count} {fate}" for fate, count in sorted(info.counts.items())),
    ]
    if found.rejects:
        lines.append("  rejected: " + ", ".join(f"{n} {why}" for why, n in found.rejects.items()))
    if info.num_classes:
        lines += _class_lines(info)
    lines += ["  longest side, pixels:", *_bars(found.longest_sides, 100)]
    lines += ["  encoded size, KiB:", *_bars(found.encoded_kib, 50)]
    return lines


def draw_curve(infos: Sequence[DatasetInfo], path: str) -> None:
    """Draws images of each class over the class's rank, both on logarithmic scales.

    Args:
        infos: Sets of shards with labels.
        path: The PNG file to write.

    Raises:
        UserError: If Matplotlib is not installed.
    """
    optional_package("matplotlib", "--curve", "Matplotlib", "plot")
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogFormatter

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for info in infos:
        sizes = np.sort(info.class_counts[info.class_counts > 0])[::-1]
        axes.loglog(np.arange(1, len(sizes) + 1), sizes, label=f"{info.split} ({len(sizes)})")
    axes.set(xlabel="landmark, by number of images", ylabel="images", title="Class sizes")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(LogFormatter())
        axis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.4)))
    axes.legend()
    axes.grid(visible=True, which="both", alpha=0.3)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=120)
    files.write_bytes(path, drawn.getvalue())


def _class_lines(info: DatasetInfo) -> list[str]:
    counts = info.class_counts
    present = counts[counts > 0]
    order = np.argsort(-counts, kind="stable")[:_SHOWN]
    largest = ", ".join(f"{info.label_map[label]}: {counts[label]}" for label in order)
    lines = [f"  classes: {info.num_classes}, {len(present)} of them with images"]
    if len(present):
        lines += [
            f"  images of a class: median {np.median(present):.0f}, mean {present.mean():.1f}, "
            f"smallest {present.min()}, largest {present.max()}, alone {np.sum(present == 1)}",
            f"  largest landmarks: {largest}",
        ]
    return lines


def _reject_reasons(info: DatasetInfo) -> dict[str, int]:
    """How often each reason occurs in rejects.csv, without the sizes in parentheses."""
    rows = csv_rows.read_rows(files.join(info.folder, REJECTS_NAME), ("reason",))
    counts = collections.Counter(reason.partition(" (")[0] for _, (reason,) in rows)
    return dict(counts.most_common())


def _histograms(info: DatasetInfo) -> tuple[dict[int, int], dict[int, int]]:
    """Images by longest side and by encoded size, summed over the shards' statistics."""
    sides: collections.Counter[int] = collections.Counter()
    sizes: collections.Counter[int] = collections.Counter()
    for shard in info.shards:
        if found := shard_stats.load(info.folder, shard.name):
            sides.update({int(key): count for key, count in found.longest_sides.items()})
            sizes.update({int(key): count for key, count in found.encoded_kib.items()})
    return dict(sorted(sides.items())), dict(sorted(sizes.items()))


def _bars(counts: Mapping[int, int], step: int) -> list[str]:
    most = max(counts.values(), default=1)
    return [
        f"    {low:>6}-{low + step - 1:<6} {count:>9} {'#' * round(40 * count / most)}"
        for low, count in counts.items()
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command."""
    return cli.run(StatsConfig, run_stats, argv=argv, positional=True)


if __name__ == "__main__":
    sys.exit(main())
