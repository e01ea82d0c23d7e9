"""Compares values read from JSON with the types they must have, for every file.

A shape is a type: int of 64 bits, float, str, bool, None, Any, list[T], tuple[T, ...],
tuple[T, U], dict[str, T], a Literal, a union, a TypedDict or a dataclass. Keys that a shape does
not name are accepted, so that later versions can add some.
"""

import collections.abc
import dataclasses
import math
import types
import typing
from typing import Any, Literal, Union

from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

_REMEDY = "make it again"


def read(path: str, shape: Any, remedy: str = _REMEDY) -> Any:
    """Reads a JSON file that must have a shape.

    Args:
        path: The file.
        shape: What its value must be.
        remedy: What the user can do if it is not.

    Raises:
        UserError: If it is missing, damaged or has another; naming file, key and value.
    """
    value = files.read_json(path)
    require(path, value, shape, remedy)
    return value


def require(path: str, value: Any, shape: Any, remedy: str = _REMEDY) -> None:
    """Raises a `UserError` that names `path`, and the key, unless a value has a shape."""
    if problem := _problem(value, shape, ""):
        raise UserError(f"{path}: {problem}; {remedy}")


def _problem(value: Any, shape: Any, key: str) -> str:
    """What is wrong, or an empty string."""
    origin, arguments = typing.get_origin(shape), typing.get_args(shape)
    if shape is Any:
        return ""
    if origin in (Union, types.UnionType):
        fits = any(not _problem(value, each, key) for each in arguments)
        return "" if fits else _wrong(value, shape, key)
    if origin is Literal:
        fits = any(value == each and type(value) is type(each) for each in arguments)
        return "" if fits else _wrong(value, shape, key)
    if origin in (list, tuple):
        if not isinstance(value, list):
            return _wrong(value, shape, key)
        fixed = origin is tuple and Ellipsis not in arguments
        if fixed and len(value) != len(arguments):
            return f"{_prefix(key)}expected {len(arguments)} values, found {len(value)}"
        shapes = arguments if fixed else arguments[:1] * len(value)
        pairs = zip(value, shapes, strict=True)
        return _first(_problem(each, one, f"{key}[{n}]") for n, (each, one) in enumerate(pairs))
    if origin in (dict, collections.abc.Mapping):
        if not isinstance(value, dict):
            return _wrong(value, shape, key)
        return _first(_problem(each, arguments[1], _below(key, n)) for n, each in value.items())
    if typing.is_typeddict(shape) or dataclasses.is_dataclass(shape):
        return _problem_of_object(value, shape, key)
    return "" if _is_plain(value, shape) else _wrong(value, shape, key)


def _problem_of_object(value: Any, shape: Any, key: str) -> str:
    if not isinstance(value, dict):
        return _wrong(value, shape, key)
    if dataclasses.is_dataclass(shape):
        missing = dataclasses.MISSING
        optional = {
            field.name
            for field in dataclasses.fields(shape)
            if field.default is not missing or field.default_factory is not missing
        }
    else:
        optional = set(shape.__optional_keys__)
    hints = typing.get_type_hints(shape)
    for name in hints:
        if name not in value and name not in optional:
            return f"expected {_below(key, name)}, found none"
    return _first(
        _problem(value[name], each, _below(key, name))
        for name, each in hints.items()
        if name in value
    )


def _is_plain(value: Any, shape: Any) -> bool:
    if shape is None or shape is types.NoneType:
        return value is None
    if shape is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and _finite(value)
    if shape is int and isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        return (
            False  # NumPy cannot represent such a number. A bool is an int in Python, not in JSON.
        )
    return isinstance(value, shape) and (shape is bool or not isinstance(value, bool))


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False  # An int that is too large for a float.


def _first(problems: Any) -> str:
    return next(filter(None, problems), "")


def _below(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _wrong(value: Any, shape: Any, key: str) -> str:
    return f"{_prefix(key)}expected {_name(shape)}, found {_shown(value)}"


def _prefix(key: str) -> str:
    return f"{key}: " if key else ""


def _name(shape: Any) -> str:
    """A type in JSON's terms."""
    origin, arguments = typing.get_origin(shape), typing.get_args(shape)
    if origin in (Union, types.UnionType):
        return " or ".join(map(_name, arguments))
    if origin is Literal:
        return " or ".join(map(_shown, arguments))
    if origin in (list, tuple):
        return "a list"
    if (
        origin in (dict, collections.abc.Mapping)
        or typing.is_typeddict(shape)
        or dataclasses.is_dataclass(shape)
    ):
        return "an object"
    names = {int: "an integer", float: "a number", str: "a text", bool: "true or false"}
    return names.get(shape, "null")


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value)[:60]
