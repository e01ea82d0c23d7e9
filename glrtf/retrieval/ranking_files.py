"""The settings of a ranking read back: from best.yaml, a settings file, or retrieval.json."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from glrtf.config.ranking import RankingSettings
from glrtf.config.retrieval import RetrieveConfig
from glrtf.retrieval.output import RETRIEVAL_FILE
from tfrecords_tools.command import settings_files, typed_settings
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, json_shapes

_GROUPS = {field.name: field for field in dataclasses.fields(RankingSettings)}


def read(path: str) -> dict[str, Any]:
    """The settings of `RetrieveConfig` that a file gives, not yet built.

    Args:
        path: A settings file of ``glrtf retrieve``, such as best.yaml, or the folder of a
            retrieval.

    Raises:
        UserError: If it is neither, or has other settings.
    """
    described = files.join(path, RETRIEVAL_FILE)
    if files.exists(described):
        found = json_shapes.read(described, dict[str, Any])
        json_shapes.require(described, found.get("parameters"), dict[str, Any])
        path, values = described, found["parameters"]
    elif not os.path.exists(path) or os.path.isdir(path):
        what = f"a folder without {RETRIEVAL_FILE}" if os.path.isdir(path) else "no such file"
        raise UserError(
            f"--ranking {path}: expected best.yaml, another settings file of glrtf retrieve, or"
            f" the folder that it wrote, found {what}"
        )
    else:
        values = settings_files.read(path, RetrieveConfig)
    known = {field.name for field in dataclasses.fields(RetrieveConfig)}
    if unknown := sorted(set(values) - known):
        raise UserError(f"{path}: {unknown[0]}: not a setting of glrtf retrieve")
    return dict(values)


def settings_of(path: str, values: Mapping[str, Any], remedy: str = "") -> RankingSettings:
    """Builds a ranking's settings from plain values; others are left out.

    Args:
        path: Where they are from, for messages.
        values: By name; groups are mappings.
        remedy: What the user can do where they are wrong.

    Raises:
        UserError: On a setting that does not exist, or a value that it cannot have.
    """
    default = RankingSettings()
    built: dict[str, Any] = {}
    try:
        for name in _GROUPS.keys() & values.keys():
            group = type(getattr(default, name))
            is_group = dataclasses.is_dataclass(group)
            built[name] = _group(group, name, values[name]) if is_group else values[name]
        return typed_settings.checked(RankingSettings(**built), RankingSettings)
    except (ValueError, UserError) as error:
        raise UserError(f"{path}: {error}" + (f"; {remedy}" if remedy else "")) from None


def _group(group: Any, name: str, values: Any) -> Any:
    if not isinstance(values, Mapping):
        raise UserError(f"{name}: expected settings, found {values!r}")
    known = [field.name for field in dataclasses.fields(group)]
    if unknown := sorted(set(values) - set(known)):
        raise UserError(f"{name}.{unknown[0]}: expected one of {', '.join(known)}")
    try:
        return group(**values)
    except TypeError:  # A comparison with a value of another type.
        raise UserError(f"{name}: expected numbers and choices, found {dict(values)}") from None
    except ValueError as error:
        raise UserError(f"{name}.{error}") from None
