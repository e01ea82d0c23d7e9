"""ONNX files, run by ONNX Runtime on this machine's CPU."""

import hashlib
import os
import re
from typing import Any

import numpy as np

from glrtf.inference.descriptors.raw_models import RawModel, TensorInfo
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files
from tfrecords_tools.storage.local_copies import local_copy

_DTYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32", "tensor(float16)": "float16"}
# A tensor's StringStringEntryProto: key "location", then the value's length and its bytes.
_LOCATION = re.compile(rb"\x0a\x08location\x12([\x01-\x7f])", re.DOTALL)


def load(path: str) -> RawModel:
    """Loads an ONNX file and the files of weights that it names.

    Raises:
        UserError: If it is not an ONNX file, or a file of weights is missing.
    """
    digest = file_digest(path)
    session = open_session(local_copy(path), path)
    inputs = [_info(each) for each in session.get_inputs()]
    outputs = [_info(each) for each in session.get_outputs()]

    def run(images: Any, name: str, output: str) -> np.ndarray:
        return session.run([output], {name: np.ascontiguousarray(images)})[0]

    return RawModel(inputs, outputs, run, digest, "onnx", source=session)


def open_session(model: str | bytes, name: str) -> Any:
    """An `onnxruntime.InferenceSession` on the CPU.

    Args:
        model: A local file, or its bytes.
        name: For messages.

    Raises:
        UserError: If ONNX Runtime refuses it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # One class for each status code, without a common base.
        raise UserError(
            f"{name}: expected a model for ONNX Runtime {onnxruntime.__version__}, found one that"
            f" it refuses ({str(error).strip().splitlines()[0][:200]})"
        ) from None


def file_digest(path: str) -> str:
    """SHA-256 of an ONNX file, and of the files next to it that hold its weights."""
    digest = hashlib.sha256(files.read_bytes(path))
    for weights in weight_files(path):
        digest.update(files.sha256(weights).encode())
    return digest.hexdigest()


def weight_files(path: str) -> list[str]:
    """The files that hold an ONNX file's weights, next to it or below its folder.

    Raises:
        UserError: If one is missing or elsewhere.
    """
    content = files.read_bytes(path)
    names = sorted(
        {
            content[m.end() : m.end() + m[1][0]].decode(errors="replace")
            for m in _LOCATION.finditer(content)
        }
    )
    found = []
    for name in names:
        if os.path.isabs(name) or ".." in name.split("/"):
            raise UserError(
                f"{path}: expected weights in files next to it, found {name!r}; save it again"
            )
        weights = files.join(os.path.dirname(path) or ".", name)
        if not files.exists(weights):
            raise UserError(f"{path}: expected its weights in {weights}, found no such file")
        found.append(weights)
    return found


def _info(found: Any) -> TensorInfo:
    shape = tuple(side if isinstance(side, int) else None for side in found.shape)
    return TensorInfo(found.name, shape, _DTYPES.get(found.type, found.type))
