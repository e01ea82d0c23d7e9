"""``glrtf bundle``: what was measured, in one folder that search and serve open."""

import dataclasses
import sys
from collections.abc import Sequence

from glrtf.config.bundle import BundleConfig
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.typed_settings import checked


@dataclasses.dataclass(frozen=True)
class BundleResult:
    """A bundle.

    Attributes:
        folder: Where it is.
        num_models: How many models embed a photo.
        num_index: Index images.
        num_train: Train images; 0 without.
        notes: What the user should know, such as where the ranking of a single photo differs
            from that of a test set.
    """

    folder: str
    num_models: int
    num_index: int
    num_train: int
    notes: tuple[str, ...]


def bundle(config: BundleConfig) -> BundleResult:
    """Checks that models, sets, tables and settings belong together, and seals them.

    Raises:
        UserError: If something is missing, damaged, or of another model.
    """
    config = checked(config, BundleConfig)
    expected.new_folder("--output", config.output)
    for option in ("landmarks", "labels"):
        if path := getattr(config, option):
            expected.file(f"--{option}", path)
    from glrtf.service import bundle_parts, sealing

    parts = bundle_parts.open_parts(config)
    sealing.seal(config, parts)
    return BundleResult(
        config.output,
        len(parts.embedders),
        parts.index[0].num_rows,
        parts.train[0].num_rows if parts.train else 0,
        parts.notes,
    )


def run_bundle(config: BundleConfig) -> None:
    """Seals, and prints notes and what the bundle holds."""
    done = bundle(config)
    for note in done.notes:
        print(f"note: {note}", file=sys.stderr)
    models = f"{done.num_models} model" + ("s" if done.num_models > 1 else "")
    train = f", {done.num_train} train images" if done.num_train else ""
    print(f"{done.folder}: {models}, {done.num_index} index images{train}")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    return cli.run(BundleConfig, run_bundle, argv=argv)
