"""TFLite files, run by LiteRT on this machine's CPU."""

import contextlib
import os
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from glrtf.inference.descriptors.raw_models import RawModel, TensorInfo
from tfrecords_tools.command import native_messages
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files
from tfrecords_tools.storage.local_copies import local_copy

# LiteRT's Python interface has no setting for it, and reads no environment variable.
_NOTE = b"INFO: Created TensorFlow Lite XNNPACK delegate"


def load(path: str, signature: str | None = None) -> RawModel:
    """Loads a TFLite file.

    Args:
        path: The file.
        signature: Which of its signatures; None takes the only one, or the bare graph.

    Raises:
        UserError: If LiteRT refuses it, or it has no such signature.
    """
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(
            model_path=local_copy(path), num_threads=len(os.sched_getaffinity(0))
        )
        names = sorted(interpreter.get_signature_list())
    except (ValueError, RuntimeError) as error:
        raise UserError(
            f"{path}: expected a TFLite model, found a file that LiteRT refuses"
            f" ({str(error).splitlines()[0][:200]})"
        ) from None
    if signature is not None and signature not in names:
        raise UserError(
            f"{path}: --descriptor.signature: expected one of its signatures"
            f" ({', '.join(names) or 'none'}), found {signature!r}"
        )
    graph: _Signature | _Graph
    if signature is not None or len(names) == 1:
        graph = _Signature(interpreter, signature or names[0])
    else:
        graph = _Graph(interpreter)
    inputs = [_info(name, each) for name, each in graph.inputs.items()]
    outputs = [_info(name, each) for name, each in graph.outputs.items()]
    # An interpreter stores the tensors of one call.
    lock = threading.Lock()
    # It says so when the first call makes its delegate.
    notes = iter([native_messages.dropped(_NOTE)])

    def run(images: Any, name: str, output: str) -> np.ndarray:
        with lock, next(notes, contextlib.nullcontext()):
            values = graph.run(name, _quantized(images, graph.inputs[name]))[output]
        return _real(values, graph.outputs[output])

    return RawModel(inputs, outputs, run, files.sha256(path), "litert", source=interpreter)


class _Signature:
    """A named signature of the file."""

    def __init__(self, interpreter: Any, name: str) -> None:
        self._runner = interpreter.get_signature_runner(name)
        self.inputs: Mapping[str, Any] = self._runner.get_input_details()
        self.outputs: Mapping[str, Any] = self._runner.get_output_details()

    def run(self, name: str, images: np.ndarray) -> Mapping[str, np.ndarray]:
        return self._runner(**{name: images})


class _Graph:
    """A file without signatures."""

    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter
        self.inputs = {each["name"]: each for each in interpreter.get_input_details()}
        self.outputs = {each["name"]: each for each in interpreter.get_output_details()}
        self._shape: tuple[int, ...] = ()

    def run(self, name: str, images: np.ndarray) -> Mapping[str, np.ndarray]:
        index = self.inputs[name]["index"]
        if images.shape != self._shape:
            self._interpreter.resize_tensor_input(index, images.shape)
            self._interpreter.allocate_tensors()
            self._shape = images.shape
        self._interpreter.set_tensor(index, images)
        self._interpreter.invoke()
        return {n: self._interpreter.get_tensor(each["index"]) for n, each in self.outputs.items()}


def _info(name: str, details: Mapping[str, Any]) -> TensorInfo:
    shape = tuple(None if side < 0 else int(side) for side in details["shape_signature"])
    dtype = np.dtype(details["dtype"]).name
    # For a quantised int8 tensor, inputs and outputs are the real values.
    return TensorInfo(name, shape, "float32" if dtype == "int8" else dtype)


def _quantized(values: Any, details: Mapping[str, Any]) -> np.ndarray:
    if np.dtype(details["dtype"]) != np.int8:
        return np.ascontiguousarray(values)
    scale, zero = details["quantization"]
    return np.clip(np.rint(np.asarray(values) / scale + zero), -128, 127).astype(np.int8)


def _real(values: np.ndarray, details: Mapping[str, Any]) -> np.ndarray:
    scale, zero = details["quantization"]
    if values.dtype.kind == "f" or not scale:
        return values
    return (values.astype(np.float32) - zero) * np.float32(scale)
