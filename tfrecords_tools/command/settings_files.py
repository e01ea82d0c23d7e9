"""Reads YAML files of settings and checks values against the settings' types."""

import os
from collections.abc import Mapping
from typing import Any

import yaml

from tfrecords_tools.command import settings_values
from tfrecords_tools.errors import UserError


class _Loader(yaml.SafeLoader):
    """Reads YAML and refuses duplicate names, of which YAML would use the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                line = key.start_mark.line + 1
                raise yaml.YAMLError(f"line {line}: {name} is set twice; remove one")
            seen.add(name)
        return super().construct_mapping(node, deep)


def read(source: str, config_class: type) -> Mapping[str, Any]:
    """The settings that ``--config`` names, checked against their types.

    Args:
        source: A file's path, or YAML text itself, such as ``"size: 64"``.
        config_class: The dataclass that they are for.

    Raises:
        UserError: If there is no such file, it is not YAML of settings, or a value is missing or of
            the wrong type.
    """
    if not source:
        raise UserError("--config: expected a YAML file of settings, found none")
    path = os.path.expanduser(source)
    if os.path.isfile(path):
        with open(path, "rb") as file:
            content = file.read()
        name = source
    else:
        content, name = source.encode(), "--config"
    try:
        # A separate loader, derived from the safe one.
        loader = _Loader(content.decode())
        try:
            values = loader.get_single_data()
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        # Bytes that are not UTF-8, and impossible dates and numbers, are a ValueError.
        raise UserError(f"{name}: not a YAML file of settings ({_reason(error)})") from None
    if not isinstance(values, Mapping):
        if name != source:
            found = "a folder" if os.path.isdir(path) else "none of that name"
            raise UserError(f"--config {source}: expected a YAML file of settings, found {found}")
        kind = type(values).__name__ if values is not None else "nothing"
        raise UserError(f"{name}: not a YAML file of settings (expected NAME: VALUE, found {kind})")
    setting, wrong = settings_values.trouble(values, config_class)
    if setting:
        raise UserError(f"{name}: {setting}: {wrong}")
    return values


def holds(values: Mapping[str, Any], name: str) -> bool:
    """Whether settings read from a file set a dotted name."""
    first, _, rest = name.partition(".")
    if first not in values:
        return False
    below = values[first]
    return not rest or (isinstance(below, Mapping) and holds(below, rest))


def _reason(error: Exception) -> str:
    """The fault in the YAML, and its line."""
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return f"line {mark.line + 1}: {getattr(error, 'problem', '')}"
    return getattr(error, "reason", str(error))
