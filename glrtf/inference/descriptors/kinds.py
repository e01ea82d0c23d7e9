"""What kind of model a name means, found without loading it."""

from typing import Literal, TypeAlias

from glrtf.config.descriptor import HUB_PREFIX, DescriptorConfig, names_function
from glrtf.inference.model_folders import INFO_NAME, export_info_path, require_workdir
from tfrecords_tools.command import expected
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

Kind: TypeAlias = Literal[
    "export", "workdir", "saved_model", "keras", "onnx", "tflite", "function", "keras_hub"
]

_ENDINGS: dict[str, Kind] = {".onnx": "onnx", ".tflite": "tflite", ".keras": "keras"}
# Kind -> the module and the extra that it needs, besides TensorFlow.
_PACKAGES = {
    "onnx": ("onnxruntime", "onnx"),
    "tflite": ("ai_edge_litert", "tflite"),
    "keras_hub": ("keras_hub", "hub"),
}


def kind_of(option: str, model: str) -> Kind:
    """The kind of a model.

    Args:
        option: As it is typed, such as ``"--model"``.
        model: A folder, a file, package.module:function or keras_hub:PRESET.

    Raises:
        UserError: If it is none of them, or a package that it needs is missing.
    """
    found = _kind_of(option, model)
    if found in _PACKAGES:
        expected.package(f"{option} {model}", *_PACKAGES[found])
    return found


def _kind_of(option: str, model: str) -> Kind:
    if model.startswith(HUB_PREFIX):
        return "keras_hub"
    if names_function(model):
        return "function"
    for ending, kind in _ENDINGS.items():
        if model.endswith(ending):
            expected.file(option, model)
            return kind
    expected.folder(option, model)
    if files.exists(files.join(model, INFO_NAME)):
        return "export"
    if files.exists(files.join(model, "saved_model.pb")):
        return "saved_model"
    if files.exists(files.join(model, "config.yaml")):
        return "workdir"
    raise UserError(
        f"{option} {model}: expected an export, a SavedModel or a training run's workdir, or a"
        " .keras, .onnx or .tflite file, found a folder that is none of them; see glrtf export"
    )


def is_own(model: str, kind: Kind) -> bool:
    """Whether this project trained the model, so that its preparation is known."""
    return kind in ("export", "workdir") or (
        kind in ("onnx", "tflite") and files.exists(export_info_path(model))
    )


def require_model(
    option: str,
    model: str,
    checkpoint: str = "",
    precision: str = "float32",
    descriptor: DescriptorConfig | None = None,
) -> Kind:
    """Checks that there is a model to load, and that its settings mean something to it.

    Args:
        option: As it is typed, such as ``"--model"``.
        model: See `kind_of`.
        checkpoint: Which checkpoint of the workdir; empty means the last.
        precision: What it is to compute in, float32 or bfloat16.
        descriptor: What flags say of its input and output.

    Raises:
        UserError: If there is none, the workdir has no such checkpoint, or a setting is for
            another kind of model.
    """
    kind = kind_of(option, model)
    given = sorted(descriptor.given) if descriptor else []
    if given and is_own(model, kind):
        raise UserError(
            f"--descriptor.{given[0]}: expected none for {model}, which this project trained, so"
            " that its preparation is known; leave it out"
        )
    if kind == "workdir":
        require_workdir(option, model, checkpoint)
    elif precision != "float32":
        what = "an export" if is_own(model, kind) else "another model"
        raise UserError(
            f"{option} {model}: expected a training run's workdir with --precision {precision},"
            f" found {what}, which computes in float32; name the workdir, or leave --precision out"
        )
    return kind
