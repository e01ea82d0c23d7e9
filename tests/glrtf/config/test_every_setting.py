"""No setting of any command takes nothing where its type has none, from a file or from a flag."""

import dataclasses
import typing

import pytest
import yaml
from every_command import COMMANDS

from tfrecords_tools.command import cli
from tfrecords_tools.errors import UserError


def leaves(config_class, prefix=""):
    """Every setting's dotted name and type, those of groups and the groups themselves included."""
    for name, hint in typing.get_type_hints(config_class).items():
        yield prefix + name, hint
        if dataclasses.is_dataclass(hint):
            yield from leaves(hint, f"{prefix}{name}.")


BY_COMMAND = pytest.mark.parametrize("command", COMMANDS, ids=str)


def refusing(command):
    """The settings that must have a value."""
    found = leaves(command.config_class)
    return [(name, hint) for name, hint in found if type(None) not in typing.get_args(hint)]


def nested(name, value):
    for part in reversed(name.split(".")):
        value = {part: value}
    return value


def message(command, argv):
    """The error of a command line; empty if it is accepted."""
    try:
        cli.parse(command.config_class, argv, prog="test", positional=command.positional)
    except UserError as error:
        return str(error)
    return ""


def from_file(command, tmp_path, name, value):
    file = tmp_path / "q.yaml"
    file.write_text(yaml.safe_dump(nested(name, value)))
    return message(command, ["--config", str(file)]).removeprefix(f"{tmp_path}/")


def test_all_commands_are_looked_at():
    assert len(COMMANDS) >= 21
    assert sum(len(refusing(command)) for command in COMMANDS) > 300


@BY_COMMAND
def test_nothing_in_a_file_is_refused(command, tmp_path):
    for name, hint in refusing(command):
        found = from_file(command, tmp_path, name, None)
        if hint in (int, float, str, bool):
            assert found == f"q.yaml: {name}: expected {hint.__name__}, found null"
        else:
            assert found.startswith(f"q.yaml: {name}: expected ")
            assert found.endswith(", found null")


@BY_COMMAND
def test_nothing_in_a_list_is_refused(command, tmp_path):
    for name, hint in refusing(command):
        if typing.get_origin(hint) in (list, tuple):
            item = typing.get_args(hint)[0]
            choices = typing.get_args(item)
            item = f"one of {', '.join(choices)}" if choices else item.__name__
            found = from_file(command, tmp_path, name, [None])
            assert found == f"q.yaml: {name}: expected {item}, found null"


@BY_COMMAND
def test_what_is_no_number_is_refused(command, tmp_path):
    for name, hint in leaves(command.config_class):
        if hint is float or float in typing.get_args(hint):
            for value in (float("nan"), float("inf")):
                found = from_file(command, tmp_path, name, value)
                assert found == f"q.yaml: {name}: expected a finite number, found {value}"


@BY_COMMAND
def test_a_value_in_place_of_a_group_is_refused(command, tmp_path):
    for name, hint in refusing(command):
        if dataclasses.is_dataclass(hint):
            found = from_file(command, tmp_path, name, 3)
            assert found.startswith(f"q.yaml: {name}: expected settings (")
            assert found.endswith("), found 3")


@BY_COMMAND
def test_nothing_in_a_group_on_the_command_line_is_refused(command):
    fields = dataclasses.fields(command.config_class)
    required = [f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING]
    given = ["x"] * len(required) if command.positional else [f"--{name}=x" for name in required]
    inner = {name.partition(".")[0]: name for name, _ in refusing(command) if "." in name}
    for group, name in inner.items():
        rest = name.partition(".")[2]
        found = message(command, [f"--{group}={{{rest}: null}}", *given])
        assert found.startswith(f"--{name}: expected ")
        assert found.endswith("found null")


def test_nothing_is_kept_where_it_means_something(tmp_path):
    """Any number of bad records, as many workers as processors."""
    [embed] = [command for command in COMMANDS if command.name == "glrtf.embed"]
    [build] = [command for command in COMMANDS if command.name == "tfrecords_tools.build"]
    assert "missing" in from_file(embed, tmp_path, "max_bad_records", None)
    assert "missing" in from_file(build, tmp_path, "workers", None)
