"""TensorBoard's event files, written without TensorFlow.

An event file is a TFRecord file of `Event` messages (tensorflow/core/util/event.proto). Figures
are tensors with the name of the plugin that draws them, as `tf.summary` writes them.
"""

import io
import os
import socket
import struct
import time
from collections.abc import Iterable, Mapping

import numpy as np
from PIL import Image

from tfrecords_tools import tfrecord
from tfrecords_tools.example import varint

_VERSION = b"brain.Event:2"
# Numbers in the messages' definitions: DataType, DataClass and wire types.
_FLOAT, _STRING = 1, 7
_SCALAR, _BLOBS = 1, 3
_VARINT, _DOUBLE, _BYTES = 0, 1, 2


class EventFile:
    """One new event file in a folder.

    Args:
        folder: Created if missing.
    """

    def __init__(self, folder: str) -> None:
        os.makedirs(folder, exist_ok=True)
        name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}.v2"
        self._file = open(os.path.join(folder, name), "ab")  # noqa: SIM115  closed by `close`
        self._write(0, _field(3, _BYTES, _VERSION))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Adds scalars, float32."""
        self._summary(
            step,
            (
                _value(name, "scalars", _SCALAR, _tensor(_FLOAT, [], _packed(value)))
                for name, value in values.items()
            ),
        )

    def images(self, step: int, name: str, images: np.ndarray) -> None:
        """Adds pictures of one size: `(count, height, width, 3)` float in [0, 1]."""
        height, width = images.shape[1:3]
        strings = [str(width).encode(), str(height).encode(), *map(_png, images)]
        content = b"".join(_field(8, _BYTES, text) for text in strings)
        tensor = _tensor(_STRING, [len(strings)], content)
        self._summary(step, [_value(name, "images", _BLOBS, tensor)])

    def flush(self) -> None:
        """Writes everything that is still buffered."""
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _summary(self, step: int, values: Iterable[bytes]) -> None:
        self._write(step, _field(5, _BYTES, b"".join(_field(1, _BYTES, v) for v in values)))
        self._file.flush()

    def _write(self, step: int, content: bytes) -> None:
        stamp = _field(1, _DOUBLE, struct.pack("<d", time.time()))
        event = stamp + _field(2, _VARINT, varint(step)) + content
        before, after = tfrecord.frame(event)
        self._file.write(before + event + after)


def _value(name: str, plugin: str, data_class: int, tensor: bytes) -> bytes:
    """A `Summary.Value` message."""
    metadata = _field(1, _BYTES, _field(1, _BYTES, plugin.encode()))
    metadata += _field(4, _VARINT, varint(data_class))
    return (
        _field(1, _BYTES, name.encode()) + _field(9, _BYTES, metadata) + _field(8, _BYTES, tensor)
    )


def _tensor(dtype: int, shape: list[int], content: bytes) -> bytes:
    """A `TensorProto` message."""
    dims = b"".join(_field(2, _BYTES, _field(1, _VARINT, varint(size))) for size in shape)
    return _field(1, _VARINT, varint(dtype)) + _field(2, _BYTES, dims) + content


def _packed(value: float) -> bytes:
    return _field(5, _BYTES, struct.pack("<f", value))


def _png(image: np.ndarray) -> bytes:
    pixels = np.rint(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def _field(number: int, wire_type: int, content: bytes) -> bytes:
    length = varint(len(content)) if wire_type == _BYTES else b""
    return varint(number << 3 | wire_type) + length + content
