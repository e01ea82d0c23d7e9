"""Settings from YAML files, as ``--config`` reads them."""

import json
import os
from typing import Any, TypeVar

from glrtf.api.row_sources import Path

ConfigT = TypeVar("ConfigT")


def load_settings(kind: type[ConfigT], path: Path, **settings: Any) -> ConfigT:
    """Reads a command's settings from a YAML file, as the command does with ``--config``.

    Args:
        kind: The settings' class, such as `glrtf.TrainConfig`.
        path: The file, such as ``configs/v2m_640.yaml``.
        **settings: Settings that override the file's: text, numbers, booleans and lists.

    Raises:
        UserError: If the file is missing, or has names or values that the class does not accept.
    """
    from tfrecords_tools.command import cli

    flags = [
        f"--{name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in settings.items()
    ]
    return cli.parse(kind, [f"--config={os.fspath(path)}", *flags], prog="glrtf")
