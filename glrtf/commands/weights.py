"""Command: convert published backbone weights."""

import os
from collections.abc import Sequence

from glrtf.config.weights import WeightsConfig, checkpoint_url
from tfrecords_tools.command import cli, expected
from tfrecords_tools.errors import UserError


def run_weights(config: WeightsConfig) -> None:
    """Converts one checkpoint."""
    if not os.path.exists(config.checkpoint) and not os.path.exists(f"{config.checkpoint}.index"):
        raise UserError(
            f"--checkpoint {config.checkpoint}: expected an unpacked checkpoint, found none of that"
            f" name; fetch {checkpoint_url(config.backbone)} and unpack it there"
        )
    if not os.path.exists(f"{config.checkpoint}.index"):
        expected.folder("--checkpoint", config.checkpoint)
    expected.new_file("--output", config.output)
    from glrtf.models.arrays import write_arrays
    from glrtf.models.backbones import build_backbone
    from glrtf.models.weights import convert_automl

    model = build_backbone(config.backbone, None)
    arrays = convert_automl(model, config.backbone, config.checkpoint)
    write_arrays(config.output, arrays)
    parameters = sum(array.size for array in arrays.values())
    print(f"{config.output}: {len(arrays)} variables, {parameters:,} parameters")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return cli.run(WeightsConfig, run_weights, argv=argv)
