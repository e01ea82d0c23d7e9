"""Command: convert published backbone weights."""

import dataclasses
import os
from collections.abc import Sequence

from glrtf.config.weights import WeightsConfig, checkpoint_url
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.typed_settings import checked
from tfrecords_tools.errors import UserError


@dataclasses.dataclass(frozen=True)
class WeightsResult:
    """Converted weights.

    Attributes:
        path: The file, for ``--weights``.
        num_variables: Number of arrays.
        num_parameters: Number of values in them.
    """

    path: str
    num_variables: int
    num_parameters: int


def weights(config: WeightsConfig) -> WeightsResult:
    """Converts one published checkpoint.

    Raises:
        UserError: If the checkpoint is missing or for another backbone.
    """
    config = checked(config, WeightsConfig)
    if not os.path.exists(config.checkpoint) and not os.path.exists(f"{config.checkpoint}.index"):
        raise UserError(
            f"--checkpoint {config.checkpoint}: expected an unpacked checkpoint, found none of that"
            f" name; fetch {checkpoint_url(config.backbone)} and unpack it there"
        )
    if not os.path.exists(f"{config.checkpoint}.index"):
        expected.folder("--checkpoint", config.checkpoint)
    expected.new_file("--output", config.output, config)
    from glrtf.models.arrays import write_arrays
    from glrtf.models.backbones import build_backbone
    from glrtf.models.weights import convert_automl

    model = build_backbone(config.backbone, None)
    arrays = convert_automl(model, config.backbone, config.checkpoint)
    write_arrays(config.output, arrays)
    return WeightsResult(config.output, len(arrays), sum(each.size for each in arrays.values()))


def run_weights(config: WeightsConfig) -> None:
    """The command."""
    done = weights(config)
    print(f"{done.path}: {done.num_variables} variables, {done.num_parameters:,} parameters")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return cli.run(WeightsConfig, run_weights, argv=argv)
