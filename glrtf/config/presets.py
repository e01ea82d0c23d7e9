"""Finds the settings file of a backbone and size among configs/*.yaml."""

import sys
from collections.abc import Sequence
from pathlib import Path

from glrtf.config.backbone_names import canonical
from glrtf.config.training import TrainConfig

_FOLDERS = (
    Path("configs"),
    Path(__file__).resolve().parents[2] / "configs",
    # Where a wheel installs them.
    Path(sys.prefix) / "share" / "glrtf" / "configs",
)


def find_config(argv: Sequence[str]) -> str | None:
    """The YAML file for the backbone and size named in the arguments.

    Args:
        argv: A command line. If it contains ``--config``, no file is searched for.

    Returns:
        ``configs/<backbone>_<size>.yaml`` of the current folder, else of the
        project's own; None if neither exists.
    """
    if _value(argv, "config") is not None:
        return None
    defaults = TrainConfig()
    backbone = canonical(_value(argv, "backbone") or defaults.backbone)
    size = _value(argv, "size") or str(defaults.size)
    # The name is built from user input and must be a plain file name.
    return find_file(Path(f"{backbone}_{size}.yaml").name)


def find_file(name: str) -> str | None:
    """The settings file of that name in the folders above; None if there is none."""
    return next((str(f / name) for f in _FOLDERS if (f / name).is_file()), None)


def _value(argv: Sequence[str], name: str) -> str | None:
    for argument, following in zip(argv, [*argv[1:], None], strict=False):
        if argument == f"--{name}":
            return following
        if argument.startswith(f"--{name}="):
            return argument.partition("=")[2]
    return None
