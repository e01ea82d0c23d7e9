"""The embedding model as one ONNX or TFLite file, compared with the model before it is kept.

Both formats take ``images``, uint8 (n, size, size, 3), decoded, upright and resized as
`glrtf.data.decoding.resize` does, and give ``embedding``, float32 unit rows (n, d).
"""

import dataclasses
import hashlib
import importlib
import os
import tempfile
import types
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from glrtf.config.keras_settings import keras
from glrtf.data.input_spec import InputSpec
from glrtf.inference.descriptors import tflite_file
from glrtf.inference.model_folders import export_info_path
from glrtf.inference.serving import TOLERANCE, to_unit_range
from glrtf.inference.weights_digest import weights_digest
from tfrecords_tools.errors import UserError, how_to_install
from tfrecords_tools.storage import files

Run: TypeAlias = Callable[[np.ndarray], np.ndarray]

_BATCH = 3


def export_file(model: keras.Model, spec: InputSpec | int, path: str, kind: str) -> float:
    """Converts a model, compares the file in its own runtime, and moves it into place.

    A JSON file next to it says how photos are prepared, so that `glrtf embed` accepts it.

    Args:
        model: Images in [0, 1] (b, size, size, 3) to unit rows (b, d) float32.
        spec: How its input is made, or only the input's side in pixels.
        path: The file; an existing one is replaced.
        kind: ``onnx`` or ``tflite``.

    Returns:
        The largest difference from the model's values, at most `serving.TOLERANCE`.

    Raises:
        UserError: If the converter or the runtime is not installed.
        ArithmeticError: If the file disagrees with the model.
    """
    spec = InputSpec(spec) if isinstance(spec, int) else spec
    size = spec.size
    convert, load = {"onnx": (_to_onnx, _run_onnx), "tflite": (_to_tflite, _run_tflite)}[kind]
    signature = tf.TensorSpec([None, size, size, 3], tf.uint8, name="images")

    @tf.function(input_signature=[signature], autograph=False)
    def embed(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"embedding": model(to_unit_range(images), training=False)}

    pictures = np.random.default_rng(0).integers(0, 256, (_BATCH, size, size, 3), np.uint8)
    expected = embed(pictures)["embedding"].numpy()
    content = convert(embed)
    with files.atomic_path(path) as temporary:
        with open(temporary, "wb") as file:
            file.write(content)
        found = load(temporary)
        # One image and several: the batch size is not fixed.
        rows = np.concatenate([found(pictures[:1]), found(pictures[1:])])
        difference = float(np.abs(rows - expected).max())
        if not difference <= TOLERANCE:
            raise ArithmeticError(
                f"export: expected embeddings within {TOLERANCE} of the model's, found {difference}"
            )
    info = {
        **dataclasses.asdict(spec),
        "dimension": int(model.output_shape[-1]),
        "model_digest": weights_digest(model),
        "parity": difference,
        "files": {os.path.basename(path): hashlib.sha256(content).hexdigest()},
    }
    files.write_json(export_info_path(path), info)
    return difference


def _to_onnx(embed: Any) -> bytes:
    tf2onnx = _needed("tf2onnx", "onnx")
    frozen = convert_variables_to_constants_v2(embed.get_concrete_function())
    [images], [rows] = frozen.inputs[: -len(frozen.captured_inputs) or None], frozen.outputs
    found, _ = tf2onnx.convert.from_graph_def(
        _with_constants(frozen),
        input_names=[images.name],
        output_names=[rows.name],
        tensors_to_rename={images.name: "images", rows.name: "embedding"},
        opset=18,
    )
    return found.SerializeToString()


def _with_constants(frozen: Any) -> Any:
    """The graph of a function, its captured tensors (a layer's fixed mean) as constants."""
    graph = frozen.graph.as_graph_def()
    captured = frozen.captured_inputs
    places = frozen.inputs[len(frozen.inputs) - len(captured) :]
    values = {place.op.name: tensor for place, tensor in zip(places, captured, strict=True)}
    for node in graph.node:
        if node.name in values:
            tensor = values[node.name]
            constant = tf.compat.v1.NodeDef(name=node.name, op="Const")
            constant.attr["dtype"].type = tensor.dtype.as_datatype_enum
            constant.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(tensor.numpy()))
            node.CopyFrom(constant)
    return graph


def _run_onnx(path: str) -> Run:
    session = _needed("onnxruntime", "onnx").InferenceSession(
        path, providers=["CPUExecutionProvider"]
    )
    return lambda images: session.run(["embedding"], {"images": images})[0]


def _to_tflite(embed: Any) -> bytes:
    # Saving and loading hundreds of variables takes longer than the conversion. LiteRT's converter
    # would make them constants too, but those of a bare Keras model give NaN.
    frozen = convert_variables_to_constants_v2(embed.get_concrete_function())

    @tf.function(input_signature=embed.input_signature, autograph=False)
    def without_variables(images: tf.Tensor) -> dict[str, tf.Tensor]:
        [rows] = frozen(images)
        return {"embedding": rows}

    module = tf.Module()
    module.embed = without_variables
    # Those of activations refer to tensors of the graph before it was frozen.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, without_variables, options)
        return tf.lite.TFLiteConverter.from_saved_model(folder).convert()


def _run_tflite(path: str) -> Run:
    _needed("ai_edge_litert", "tflite")
    model = tflite_file.load(path)
    return lambda images: model.run(images, "images", "embedding")


def _needed(module: str, extra: str) -> types.ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise UserError(
            f"--format {extra}: expected {module.partition('.')[0]}, found none; "
            + how_to_install(extra)
        ) from None
