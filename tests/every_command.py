"""All commands of the project, found by looking: every module that calls `cli.run`."""

import dataclasses
import importlib
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest import mock

from tfrecords_tools.command import cli

_ROOT = Path(__file__).parents[1]


@dataclasses.dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        name: Its module, as ``python -m`` takes it.
        module: The module.
        config_class: Its settings.
        positional: Whether settings without a default are given by their position.
        default_config: Finds the settings file that holds where none is given.
    """

    name: str
    module: types.ModuleType
    config_class: type
    positional: bool
    default_config: Callable[[Sequence[str]], str | None] | None

    def __str__(self) -> str:
        return self.name


def _found() -> list[Command]:
    paths = [path for top in ("glrtf", "tfrecords_tools") for path in (_ROOT / top).rglob("*.py")]
    modules = [
        ".".join(path.relative_to(_ROOT).with_suffix("").parts)
        for path in sorted(paths)
        if "cli.run(" in path.read_text()
    ]
    return [_command(name) for name in modules]


def _command(name: str) -> Command:
    module = importlib.import_module(name)
    with mock.patch.object(cli, "run", return_value=0) as run:
        module.main([])
    given = run.call_args
    name = name.replace("glrtf.commands.preview", "glrtf.data.preview")
    return Command(
        name.replace("glrtf.commands.", "glrtf.").removesuffix(".draw"),
        module,
        given.args[0],
        given.kwargs.get("positional", False),
        given.kwargs.get("default_config"),
    )


COMMANDS = _found()
