"""Reads tensors that ``torch.save`` wrote before PyTorch 1.6, without PyTorch.

A pickle can name any function of any module, and unpickling calls it. This reader knows four
names, none of which does more than hold values, and refuses every other.
"""

import collections
import dataclasses
import pickle
import struct
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from tfrecords_tools.errors import UserError

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_STORAGES = {"FloatStorage": "<f4", "LongStorage": "<i8"}
# Far more than such a file has; whatever is larger is not one.
_MOST_VALUES = 1 << 28


@dataclasses.dataclass(frozen=True)
class _Tensor:
    """Where a tensor's values lie in a storage."""

    storage: str
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_tensors(path: str) -> dict[str, np.ndarray]:
    """The tensors of a state dict, by name.

    Args:
        path: A local file.

    Raises:
        UserError: If it is not such a file, or names anything but tensors.
    """
    try:
        with open(path, "rb") as file:
            return _read(file)
    except (
        *(pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError),
        *(AttributeError, struct.error, OverflowError, UnicodeDecodeError),
    ) as error:
        raise UserError(
            f"{path}: expected weights that PyTorch saved (before version 1.6), found a file that"
            f" is not ({str(error)[:200]}); install the package again"
        ) from None


def _read(file: BinaryIO) -> dict[str, np.ndarray]:
    if (_load(file), _load(file)) != (_MAGIC, _PROTOCOL):
        raise ValueError("another format")
    if _load(file).get("little_endian") is not True:
        raise ValueError("numbers in another order of bytes")
    tensors, keys = _load(file), _load(file)
    wanted = {each.storage: each.dtype for each in tensors.values()}
    if sorted(wanted) != sorted(keys):
        raise ValueError("storages that no tensor names")
    storages = {}
    for key in keys:
        (length,) = struct.unpack("<q", file.read(8))
        if not 0 <= length <= _MOST_VALUES:
            raise ValueError(f"{length} values")
        dtype = np.dtype(wanted[key])
        content = file.read(length * dtype.itemsize)
        if len(content) != length * dtype.itemsize:
            raise ValueError("cut short")
        storages[key] = np.frombuffer(content, dtype)
    return {name: _taken(storages[each.storage], each) for name, each in tensors.items()}


def _taken(values: np.ndarray, tensor: _Tensor) -> np.ndarray:
    last = sum(
        (side - 1) * stride for side, stride in zip(tensor.shape, tensor.strides, strict=True)
    )
    if 0 in tensor.shape or tensor.offset + last >= len(values):
        raise ValueError("a tensor beyond its storage")
    steps = tuple(stride * values.itemsize for stride in tensor.strides)
    view = np.lib.stride_tricks.as_strided(values[tensor.offset :], tensor.shape, steps)
    return np.ascontiguousarray(view).reshape(tensor.shape)


def _load(file: BinaryIO) -> Any:
    return _Reader(file).load()


class _Reader(pickle.Unpickler):
    """Unpickles containers, numbers, text and the placeholders of tensors."""

    def find_class(self, module: str, name: str) -> Callable[..., Any] | str:
        """What a name stands for; the four that there are."""
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuilt
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}, which is not read")

    def persistent_load(self, pid: Any) -> tuple[str, str]:
        """A storage's key and dtype, of ('storage', type, key, device, length, view)."""
        kind, dtype, key, *_ = pid
        if kind != "storage" or dtype not in _STORAGES.values() or not isinstance(key, str):
            raise pickle.UnpicklingError("a persistent id that is no storage")
        return key, dtype


def _rebuilt(
    storage: tuple[str, str], offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> _Tensor:
    """A tensor's place."""
    key, dtype = storage
    if not all(type(n) is int and 0 <= n <= _MOST_VALUES for n in (offset, *shape, *strides)):
        raise pickle.UnpicklingError("a tensor without a shape")
    return _Tensor(key, dtype, offset, tuple(shape), tuple(strides))
