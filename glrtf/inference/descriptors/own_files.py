"""This project's own ONNX and TFLite exports, with their preparation in a file next to them."""

import dataclasses
import os
from typing import Any

import numpy as np

from glrtf.inference import export_info, lite_copy
from glrtf.inference.descriptors import loading
from glrtf.inference.descriptors.kinds import Kind
from glrtf.inference.embedder import Embedder, Precision, Runtime
from glrtf.inference.export_info import spec_of
from glrtf.inference.model_folders import INFO_NAME, export_info_path
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, folders


def load_copy(folder: str) -> Embedder:
    """Loads the LiteRT copy of an exported SavedModel instead of it.

    Raises:
        UserError: If it has changed since the export, or belongs to another model.
    """
    info = export_info.read(files.join(folder, INFO_NAME))
    copy = load(lite_copy.path_in(folder), "tflite", runtime="litert")
    if copy.digest != info["model_digest"] or copy.input != spec_of(info):
        raise UserError(
            f"{copy.name}: expected the copy of the model in {folder}, found another's; export it"
            " again"
        )
    return dataclasses.replace(copy, name=folder)


def load(
    path: str,
    kind: Kind,
    any_size: bool = False,
    runtime: Runtime = "onnx",
    precision: Precision = "float32",
) -> Embedder:
    """Loads a file that `glrtf export` wrote; its sets agree with those of the SavedModel.

    Raises:
        UserError: If it has changed since the export, or must take images of other sizes.
    """
    info_path = export_info_path(path)
    info = export_info.read(info_path)
    folders.verify(os.path.dirname(path) or ".", info.get("files", {}))
    if any_size:
        raise UserError(
            f"{path}: --scales: expected a model that takes images of any size, found one of"
            f" {info['size']} px only; name the workdir or its SavedModel"
        )
    raw = loading.load_raw(path, kind, None, runtime, precision)

    def embed(images: Any) -> np.ndarray:
        return raw.run(images, "images", "embedding")

    return Embedder(
        path,
        spec_of(info),
        info["dimension"],
        info["model_digest"],
        embed,
        raw,
        precision=precision,
        runtime=raw.runtime,
        in_graph=False,
    )
