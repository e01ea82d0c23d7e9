"""Settings made by a program: compares every value with its type.

On the command line and in files jsonargparse does that. A dataclass accepts anything: an unknown
choice would be ignored, and a string be treated as a list of letters.
"""

import dataclasses
import numbers
import os
import types
import typing
from typing import Any, TypeVar

from tfrecords_tools.command.settings_values import describe
from tfrecords_tools.errors import UserError

ConfigT = TypeVar("ConfigT")


def checked(config: Any, kind: type[ConfigT]) -> ConfigT:
    """The settings, as the command line would have made them.

    Paths become text, tuples lists and lists tuples, whole numbers floats, where the setting's type
    requires it.

    Args:
        config: The settings.
        kind: Their class.

    Raises:
        UserError: If they are of another class, or a value is not of its setting's type.
        ValueError: If the class refuses a value.
    """
    if not isinstance(config, kind):
        raise UserError(f"config: expected {kind.__name__}, found {type(config).__name__}")
    return _checked(config, "")


def _checked(config: Any, prefix: str) -> Any:
    hints = typing.get_type_hints(type(config))
    changed = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        fitting = _fitting(value, hints[field.name], prefix + field.name)
        if fitting is not value:
            changed[field.name] = fitting
    return dataclasses.replace(config, **changed) if changed else config


def _fitting(value: Any, hint: Any, name: str) -> Any:
    """The value in its type's form."""
    if dataclasses.is_dataclass(hint) and isinstance(value, typing.cast(type, hint)):
        return _checked(value, f"{name}.")
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _one_of(value, arguments, hint, name)
    if origin is typing.Literal:
        if not any(value == each and type(value) is type(each) for each in arguments):
            raise _unfit(value, hint, name)
        return value
    if origin in (list, tuple):
        if not isinstance(value, list | tuple):
            raise _unfit(value, hint, name)
        items = [_fitting(each, arguments[0], name) for each in value]
        return value if type(value) is origin and items == list(value) else origin(items)
    return _plain(value, hint, name)


def _one_of(value: Any, hints: tuple[Any, ...], whole: Any, name: str) -> Any:
    if value is None and type(None) in hints:
        return value
    for hint in hints:
        if hint is not type(None):
            try:
                return _fitting(value, hint, name)
            except UserError:
                continue
    raise _unfit(value, whole, name)


def _plain(value: Any, hint: Any, name: str) -> Any:
    """A text, a number, or an instance of any other class."""
    if hint is Any:
        return value
    if hint is str and isinstance(value, os.PathLike):
        return os.fspath(value)
    if hint in (int, float):
        kind = numbers.Integral if hint is int else numbers.Real
        if isinstance(value, kind) and not isinstance(value, bool):
            return value if type(value) is hint else hint(value)
    elif isinstance(hint, type) and isinstance(value, hint):
        return value
    raise _unfit(value, hint, name)


def _unfit(value: Any, hint: Any, name: str) -> UserError:
    return UserError(f"{name}: expected {describe(hint)}, found {value!r}")
