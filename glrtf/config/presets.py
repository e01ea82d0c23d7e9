"""Finds settings files among configs/*.yaml: of a backbone and size, or by name."""

import re
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

# Of a preset: no path, and no YAML text, which --config takes too.
_NAME = re.compile(r"[\w.\-]{1,100}")


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


def with_named_config(argv: Sequence[str] | None) -> list[str]:
    """The arguments (None: those of the process), with a preset's path in place of its name.

    ``--config v2m_640_v5e-8`` means the settings file of that name in the folders above, unless
    there is a file ``v2m_640_v5e-8`` in the current folder.
    """
    found = list(sys.argv[1:] if argv is None else argv)
    for number, argument in enumerate(found):
        flag, equals, value = argument.partition("=")
        if flag != "--config":
            continue
        if not equals and number + 1 < len(found):
            found[number + 1] = _file_of(found[number + 1])
        elif equals:
            found[number] = f"{flag}={_file_of(value)}"
    return found


def _file_of(value: str) -> str:
    """The path of the preset that a value of ``--config`` names, else the value itself."""
    if not _NAME.fullmatch(value) or Path(value).exists():
        return value
    return find_file(f"{value}.yaml") or value


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
