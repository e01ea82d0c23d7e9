"""Prints a completion script: ``glrtf completion bash``."""

import argparse
import dataclasses
import importlib
import typing
from collections.abc import Iterator, Sequence

from glrtf.commands.catalog import COMMANDS, Entry
from glrtf.config.completion import CompletionConfig
from tfrecords_tools.command import cli
from tfrecords_tools.command.arguments import option_names
from tfrecords_tools.command.typed_settings import checked


@dataclasses.dataclass(frozen=True)
class CompletionResult:
    """A completion script.

    Attributes:
        script: Its text, for the shell to read.
    """

    script: str


def completion(config: CompletionConfig) -> CompletionResult:
    """The completion script of all commands, for bash or zsh."""
    config = checked(config, CompletionConfig)
    import shtab

    parser = argparse.ArgumentParser("glrtf")
    commands = parser.add_subparsers(dest="command")
    for name, entry in COMMANDS.items():
        _add_settings(commands.add_parser(name, help=entry.summary), entry)
    return CompletionResult(shtab.complete(parser, shell=config.shell))


def _add_settings(parser: argparse.ArgumentParser, entry: Entry) -> None:
    """The options and positional settings of one command, with their choices."""
    module, _, name = entry.settings.rpartition(".")
    config_class = getattr(importlib.import_module(module), name)
    choices = dict(_choices(config_class))
    if entry.positional:
        for field in dataclasses.fields(config_class):
            if field.default is field.default_factory is dataclasses.MISSING:
                _complete_files(parser.add_argument(field.name, choices=choices.get(field.name)))
    for option in option_names(config_class, entry.positional):
        if option == "help":  # Every parser has this option.
            continue
        flag = f"--{option}"
        if option == "print_config":
            parser.add_argument(flag, action="store_true")
        else:
            _complete_files(parser.add_argument(flag, choices=choices.get(option)))


def _complete_files(action: argparse.Action) -> None:
    """Completes file names if there are no choices; most settings that take text are paths."""
    import shtab

    if not action.choices:
        action.complete = shtab.FILE  # type: ignore[attr-defined]


def _choices(config_class: type, prefix: str = "") -> Iterator[tuple[str, list[str]]]:
    """The settings with a fixed list of values, and those values."""
    for name, hint in typing.get_type_hints(config_class).items():
        if dataclasses.is_dataclass(hint):
            yield from _choices(typing.cast(type, hint), f"{prefix}{name}.")
        elif hint is bool:
            yield prefix + name, ["true", "false"]
        elif typing.get_origin(hint) is typing.Literal:
            yield prefix + name, [str(each) for each in typing.get_args(hint)]


def run_completion(config: CompletionConfig) -> None:
    """The command."""
    print(completion(config).script)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    return cli.run(CompletionConfig, run_completion, argv=argv, positional=True)
