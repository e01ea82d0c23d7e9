"""Exports a trained embedding model: ``glrtf export --workdir RUN``."""

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

from glrtf.config.inference import ExportConfig
from glrtf.inference import lite_copy
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.typed_settings import checked
from tfrecords_tools.errors import how_to_install

_PACKAGES = {"onnx": ("tf2onnx", "onnxruntime"), "tflite": ("ai_edge_litert",)}


@dataclasses.dataclass(frozen=True)
class ExportResult:
    """An exported model.

    Attributes:
        path: The SavedModel's folder, or the file.
        format: saved_model, onnx or tflite.
        difference: The largest difference between its embeddings and the trained model's.
    """

    path: str
    format: str
    difference: float


def export(config: ExportConfig) -> ExportResult:
    """Loads the model, writes it in its format, and compares the two.

    Raises:
        UserError: If the workdir or the output is not as expected, or the two differ.
    """
    config = checked(config, ExportConfig)
    _check_inputs(config)
    from glrtf.data.input_spec import InputSpec
    from glrtf.inference import formats, serving
    from glrtf.training.checkpoints import load_embedding_model

    is_folder = config.format == "saved_model"
    any_size = bool(config.scale_gem) or (is_folder and not config.pools)
    model, training = load_embedding_model(
        config.workdir, config.checkpoint or None, any_size=any_size, backbone=config.backbone
    )
    spec = InputSpec.of(training.input, training.size)
    facts: dict[str, Any] = {"backbone": training.backbone, "checkpoint": config.checkpoint}
    if config.pools:
        from glrtf.inference.sides import scaled_side
        from glrtf.models.pooling_options import with_pooling

        model = with_pooling(
            model,
            training.size,
            gem_power=config.gem_power,
            regional=config.regional_gem,
            sides=[scaled_side(training.size, scale) for scale in config.scale_gem],
        )
        names = ("gem_power", "regional_gem", "scale_gem")
        facts["pooling"] = {name: getattr(config, name) for name in names}
    if is_folder:

        def add_copy(folder: str) -> None:
            formats.export_file(model, spec, lite_copy.path_in(folder), "tflite")

        add = add_copy if lite_copy.is_installed() else None
        difference = serving.export(model, spec, config.target, facts, add)
    else:
        difference = formats.export_file(model, spec, config.target, config.format)
    return ExportResult(config.target, config.format, difference)


def _check_inputs(config: ExportConfig) -> None:
    """Checks paths and packages before TensorFlow is loaded."""
    from glrtf.inference.model_folders import require_workdir

    require_workdir("--workdir", config.workdir, config.checkpoint, config.backbone)
    for module in _PACKAGES.get(config.format, ()):
        expected.package(f"--format {config.format}", module, config.format)
    if config.format == "saved_model":
        expected.new_folder("--output", config.target)
    else:
        expected.new_file("--output", config.target, config)


def run_export(config: ExportConfig) -> None:
    """The command."""
    done = export(config)
    print(f"{done.path}: {done.format}, largest difference from the model {done.difference:.2g}")
    if done.format == "saved_model" and not lite_copy.is_installed():
        print(
            "note: written without a LiteRT copy, so search and serve load TensorFlow for this"
            f" model; {how_to_install('tflite')} and export again",
            file=sys.stderr,
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    return cli.run(ExportConfig, run_export, argv=argv)
