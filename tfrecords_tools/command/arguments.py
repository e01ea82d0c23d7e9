"""Rewrites command lines from the way people type them to the parser's form."""

import dataclasses
import itertools
import json
import re
import typing
from collections.abc import Sequence

from tfrecords_tools.command.near_words import option_meant
from tfrecords_tools.errors import UserError

_WITHOUT_VALUE = ("help", "print_config")
_OF_THE_PARSER = ("config", *_WITHOUT_VALUE)
_BOOLEANS = (["true"], ["false"], ["True"], ["False"], ["yes"], ["no"])


def normalized(config_class: type, argv: Sequence[str], positional: bool = False) -> list[str]:
    """Rewrites arguments from the way people type them to the parser's form.

    ``--task-index 3`` -> ``--task_index 3``; a switch alone, ``--compile``, ->
    ``--compile=true``; ``--query a b`` -> ``--query=["a", "b"]`` if the flag takes several values;
    ``a.jpg b.jpg`` -> ``["a.jpg", "b.jpg"]`` for a positional field with several values, which may
    be missing if the option is given that the class names as ``instead_of_positional``.

    Args:
        config_class: The dataclass of the settings.
        argv: The arguments.
        positional: Whether fields without a default are positional.

    Raises:
        UserError: On an unknown option.
    """
    kinds = _kinds(config_class)
    options = option_names(config_class, positional)
    result: list[str] = []
    outside: list[str] = []
    seen: set[str] = set()
    position = 0
    while position < len(argv):
        argument = argv[position]
        position += 1
        if not re.match(r"--[a-zA-Z]", argument):
            (result if argument.startswith("-") else outside).append(argument)
            continue
        name, equals, value = argument[2:].partition("=")
        name = _known(name, options, config_class)
        seen.add(name)
        following = list(itertools.takewhile(lambda a: not a.startswith("--"), argv[position:]))
        if kinds.get(name) == "switch" and not equals and following[:1] not in _BOOLEANS:
            argument = f"--{name}=true"
        elif kinds.get(name) == "several" and (equals or following):
            values = [value] if equals else following
            position += 0 if equals else len(following)
            if len(values) > 1 or not values[0].startswith("["):
                values = [json.dumps(values)]
            argument = f"--{name}={values[0]}"
        else:
            argument = f"--{name}{equals}{value}"
            if not equals and following and name not in _WITHOUT_VALUE:
                result.append(argument)
                argument = following[0]
                position += 1
        result.append(argument)
    replaced = getattr(config_class, "instead_of_positional", None) in seen
    if positional and (outside or replaced) and _takes_all(config_class, kinds):
        outside = [json.dumps(outside)]
    return result + outside


def option_names(config_class: type, positional: bool = False) -> list[str]:
    """The options of a command, without dashes: the settings, their groups, the parser's own."""
    return [*_setting_names(config_class, positional), *_OF_THE_PARSER]


def config_sources(arguments: Sequence[str]) -> list[str]:
    """The values of all ``--config`` in normalized arguments."""
    following = [*arguments, ""][1:]
    return [
        after if argument == "--config" else argument.partition("=")[2]
        for argument, after in zip(arguments, following, strict=True)
        if argument.partition("=")[0] == "--config"
    ]


def _known(name: str, options: Sequence[str], config_class: type) -> str:
    """The option's name with underscores.

    Raises:
        UserError: If there is no option of that name.
    """
    plain = name.replace("-", "_")
    # The parser adds to a list by --name+.
    if plain.removesuffix("+") in options:
        return plain
    if plain in typing.get_type_hints(config_class):
        raise UserError(f"unknown option --{name}; give {plain.upper()} without it, see --help")
    meant = option_meant(plain, [each for each in options if each not in _WITHOUT_VALUE])
    hint = f"did you mean --{meant}?" if meant else "see --help"
    raise UserError(f"unknown option --{name}; {hint}")


def _setting_names(config_class: type, positional: bool, prefix: str = "") -> list[str]:
    names: list[str] = []
    hints = typing.get_type_hints(config_class)
    for field in dataclasses.fields(config_class):
        if not (positional and _is_required(field)):
            names.append(prefix + field.name)
        if dataclasses.is_dataclass(hint := hints[field.name]):
            names += _setting_names(typing.cast(type, hint), False, f"{prefix}{field.name}.")
    return names


def _takes_all(config_class: type, kinds: dict[str, str]) -> bool:
    """Whether the only positional field takes several values."""
    required = [f.name for f in dataclasses.fields(config_class) if _is_required(f)]
    return len(required) == 1 and kinds.get(required[0]) == "several"


def _is_required(field: dataclasses.Field) -> bool:
    return field.default is field.default_factory is dataclasses.MISSING


def _kinds(config_class: type, prefix: str = "") -> dict[str, str]:
    """Which flags are switches and which take several values."""
    kinds: dict[str, str] = {}
    for name, hint in typing.get_type_hints(config_class).items():
        if dataclasses.is_dataclass(hint):
            kinds |= _kinds(typing.cast(type, hint), f"{prefix}{name}.")
        elif hint is bool:
            kinds[prefix + name] = "switch"
        elif typing.get_origin(hint) in (list, tuple):
            kinds[prefix + name] = "several"
    return kinds
