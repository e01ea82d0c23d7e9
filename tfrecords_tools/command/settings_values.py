"""Checks values against the types of a settings dataclass, before it is built.

jsonargparse accepts ``null`` from a file for an int, a str or a Literal. Here every value is
checked for what it accepts: null for a required value, NaN and infinity, a value in place of a
group of settings. Paths below ``~`` are expanded.
"""

import dataclasses
import math
import os
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from tfrecords_tools.errors import UserError

ConfigT = TypeVar("ConfigT")


def build(
    config_class: type[ConfigT],
    values: Mapping[str, Any],
    options: Sequence[str],
    prefix: str = "",
) -> ConfigT:
    """Builds a settings dataclass and the groups in it.

    A dataclass refuses a value with a ``ValueError`` that begins with the setting's own name,
    ``"crop: expected ..."``. Here the name becomes the flag as typed, ``"--augment.crop: expected
    ..."``.

    Args:
        config_class: The dataclass.
        values: Its settings by name, groups as mappings.
        options: The command's flags, without dashes.
        prefix: Prefix of the names of a group, such as ``"augment."``.

    Raises:
        UserError: If the dataclass refuses a value.
    """
    arguments = {}
    hints = typing.get_type_hints(config_class)
    for field in dataclasses.fields(config_class):  # type: ignore[arg-type]
        value, hint = values[field.name], hints[field.name]
        if dataclasses.is_dataclass(hint):
            group = typing.cast(type, hint)
            value = build(group, value, options, f"{prefix}{field.name}.")
        arguments[field.name] = value
    try:
        return config_class(**arguments)
    except ValueError as error:
        name, _, _ = str(error).partition(":")
        dashes = "--" if prefix + name in options else ""
        raise UserError(f"{dashes}{prefix if dashes else ''}{error}") from None


def trouble(values: Mapping[str, Any], config_class: type, prefix: str = "") -> tuple[str, str]:
    """The first value that its type does not accept.

    Args:
        values: Settings by name; missing and unknown settings are ignored.
        config_class: The dataclass that they are for.
        prefix: Prefix of the names, such as
            ``"augment."``.

    Returns:
        The setting's dotted name and what is wrong, such as ``"expected int, found null"``; two
        empty strings if there is nothing wrong.
    """
    for name, hint in typing.get_type_hints(config_class).items():
        if name not in values:
            continue
        value = values[name]
        if dataclasses.is_dataclass(hint):
            if isinstance(value, Mapping):
                inner = trouble(value, typing.cast(type, hint), f"{prefix}{name}.")
                if inner[0]:
                    return inner
                continue
            known = ", ".join(field.name for field in dataclasses.fields(hint))
            return prefix + name, f"expected settings ({known}), found {_shown(value)}"
        if wrong := _trouble_of(value, hint):
            return prefix + name, wrong
    return "", ""


def _trouble_of(value: Any, hint: Any) -> str:
    if value is None and not _takes_none(hint):
        return f"expected {describe(hint)}, found null"
    if isinstance(value, float) and not math.isfinite(value):
        return f"expected a finite number, found {value}"
    if isinstance(value, list | tuple) and typing.get_origin(hint) in (list, tuple):
        of_one = typing.get_args(hint)[0]
        return next(filter(None, (_trouble_of(each, of_one) for each in value)), "")
    return ""


def describe(hint: Any) -> str:
    """A type, for messages: ``int``, ``one of a, b``, ``a list of str``."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if origin in (list, tuple):
        return f"a list of {describe(arguments[0])}"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(describe(each) for each in arguments if each is not type(None))
    return getattr(hint, "__name__", str(hint))


def _takes_none(hint: Any) -> bool:
    return hint is type(None) or type(None) in typing.get_args(hint)


def _shown(value: Any) -> str:
    return "null" if value is None else repr(value)


def with_home(value: Any) -> Any:
    """A setting with a leading ``~`` or ``~user`` expanded.

    A shell does so for ``--output ~/x``, but neither for ``--output=~/x`` nor in a file. In a list
    a path may also follow a name: ``--also ~/model=~/set``.
    """
    if isinstance(value, str):
        return os.path.expanduser(value)
    if isinstance(value, list | tuple):
        return type(value)(_item_with_home(each) for each in value)
    return value


def _item_with_home(item: Any) -> Any:
    if not isinstance(item, str):
        return item
    name, equals, path = item.partition("=")
    return os.path.expanduser(name) + equals + os.path.expanduser(path)
