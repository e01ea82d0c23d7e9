"""The kind of model that a name refers to, found without loading it."""

import os
from typing import Literal, TypeAlias

from glrtf.config.descriptor import HUB_PREFIX, names_function
from glrtf.inference.model_folders import INFO_NAME, export_info_path
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
        option: The flag as typed, such as ``"--model"``.
        model: A folder, a file, package.module:function or keras_hub:PRESET.

    Raises:
        UserError: If it is none of these, or a package that it needs is missing.
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
    found = "a file of another kind" if os.path.isfile(model) else "a folder that is none of them"
    if not os.path.isfile(model):
        expected.folder(option, model)
    if files.exists(files.join(model, INFO_NAME)):
        return "export"
    if files.exists(files.join(model, "saved_model.pb")):
        return "saved_model"
    if files.exists(files.join(model, "config.yaml")):
        return "workdir"
    raise UserError(
        f"{option} {model}: expected an export, a SavedModel or a training run's workdir, or a"
        f" .keras, .onnx or .tflite file, found {found}; see glrtf export"
    )


def is_own(model: str, kind: Kind) -> bool:
    """Whether this project trained the model, so that its preparation is known."""
    return kind in ("export", "workdir") or (
        kind in ("onnx", "tflite") and files.exists(export_info_path(model))
    )
