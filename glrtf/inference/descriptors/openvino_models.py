"""Models run by OpenVINO on this machine's CPU, in float32 or bfloat16."""

import dataclasses
import functools
import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from glrtf.inference.descriptors.raw_models import RawModel, TensorInfo
from glrtf.inference.embedder import Embedder, Precision
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import folders
from tfrecords_tools.storage.local_copies import copies_folder, local_copy

_DTYPES = {"u8": "uint8", "f32": "float32", "f16": "float16"}
_HINTS = {"float32": "f32", "bfloat16": "bf16"}
_IR = "model.xml"


@functools.cache
def core() -> Any:
    """The process's one OpenVINO runtime, which is never released.

    Its CPU plugin gives the thread an alternate signal stack (2026.4.1), and releasing several
    runtimes may leave an unmapped one behind: the next signal that Python handles, a SIGTERM to
    a service say, would end the process.
    """
    import openvino

    return openvino.Core()


def load_file(path: str, digest: str, precision: Precision) -> RawModel:
    """Loads an ONNX or TFLite file.

    Raises:
        UserError: If OpenVINO refuses it.
    """
    try:
        model = core().read_model(local_copy(path))
    except RuntimeError as error:
        raise _refused(path, error) from None
    inputs = [_info(each) for each in model.inputs]
    outputs = [_info(each) for each in model.outputs]
    call = compiled(model, precision)

    def run(images: Any, _: str, output: str) -> np.ndarray:
        return call(images, [each.name for each in outputs].index(output))

    return RawModel(inputs, outputs, run, digest, "openvino", source=model)


def converted(embedder: Embedder, precision: Precision, any_size: bool) -> Embedder:
    """The same embedder, computed by OpenVINO.

    The converted model is kept in the user's cache, under the model's digest.

    Args:
        embedder: A TensorFlow model, in float32.
        precision: Of the network's arithmetic.
        any_size: Whether it must take images of any size.

    Raises:
        UserError: If OpenVINO refuses the model.
    """
    import openvino

    if not embedder.in_graph:
        raise UserError(
            f"{embedder.name}: --runtime openvino: expected a model of an open batch, without"
            " resize keep, found another; leave --runtime out"
        )
    side = None if any_size else embedder.size
    folder = os.path.join(
        *(copies_folder(), "openvino", openvino.__version__),
        f"{embedder.digest[:32]}_{side or 'any'}",
    )
    if not os.path.exists(os.path.join(folder, _IR)):
        model = _from_tensorflow(embedder, side)
        with folders.atomic_folder(folder) as temporary:
            openvino.save_model(model, os.path.join(temporary, _IR), compress_to_fp16=False)
    call = compiled(core().read_model(os.path.join(folder, _IR)), precision)
    return dataclasses.replace(
        embedder,
        embed=lambda images: call(images, 0),
        precision=precision,
        runtime="openvino",
        in_graph=False,
    )


def _from_tensorflow(embedder: Embedder, side: int | None) -> Any:
    import openvino
    import tensorflow as tf

    signature = tf.TensorSpec([None, side, side, 3], tf.uint8, name="images")
    graph = tf.function(embedder.embed, input_signature=[signature], autograph=False)
    try:
        return openvino.convert_model(graph.get_concrete_function())
    except Exception as error:  # The converter's errors have no common base class.
        raise _refused(embedder.name, error) from None


def compiled(model: Any, precision: Precision) -> Callable[[Any, int], np.ndarray]:
    """A function of images and an output's index; several threads may call it."""
    options = {"INFERENCE_PRECISION_HINT": _HINTS[precision], "PERFORMANCE_HINT": "LATENCY"}
    network = core().compile_model(model, "CPU", options)
    lock = threading.Lock()

    def call(images: Any, output: int) -> np.ndarray:
        with lock:
            # The next call reuses the result's memory.
            return np.array(network([np.ascontiguousarray(images)])[output], copy=True)

    return call


def _refused(name: str, error: Exception) -> UserError:
    import openvino

    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return UserError(
        f"{name}: expected a model that OpenVINO {openvino.__version__} runs, found one that it"
        f" refuses ({reason}); leave --runtime out"
    )


def _info(port: Any) -> TensorInfo:
    shape = port.partial_shape
    sides = None
    if not shape.rank.is_dynamic:
        sides = tuple(None if side.is_dynamic else side.get_length() for side in shape)
    dtype = port.element_type.get_type_name()
    return TensorInfo(port.any_name, sides, _DTYPES.get(dtype, dtype))
