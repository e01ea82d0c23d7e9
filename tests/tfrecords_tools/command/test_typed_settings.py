import dataclasses
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from tfrecords_tools.command.typed_settings import checked
from tfrecords_tools.errors import UserError


@dataclasses.dataclass(frozen=True)
class Group:
    limit: int = 3
    power: float = 1.0


@dataclasses.dataclass(frozen=True)
class Settings:
    output: str = ""
    sets: list[str] = dataclasses.field(default_factory=list)
    views: tuple[str, ...] = ("plain",)
    mode: Literal["fast", "exact"] = "exact"
    most: int | None = None
    on: bool = True
    anything: Any = None
    group: Group = dataclasses.field(default_factory=Group)


def test_settings_of_their_types_stay_the_same_object():
    settings = Settings("out", ["a"], most=4)
    assert checked(settings, Settings) is settings


def test_values_become_what_the_command_line_gives():
    """Paths text, sequences of the right kind, NumPy's numbers Python's, whole numbers floats."""
    group = Group(limit=np.int64(5), power=2)
    found = checked(Settings(Path("a/b"), (Path("c"),), ["hflip"], group=group), Settings)
    assert found == Settings("a/b", ["c"], ("hflip",), group=Group(5, 2.0))
    assert type(found.output) is str and type(found.sets) is list and type(found.views) is tuple
    assert type(found.group.limit) is int and type(found.group.power) is float


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"output": 3}, "output: expected str, found 3"),
        ({"output": None}, "output: expected str, found None"),
        ({"sets": "abc"}, "sets: expected a list of str, found 'abc'"),
        ({"sets": ["a", 1]}, "sets: expected str, found 1"),
        ({"mode": "fats"}, "mode: expected one of fast, exact, found 'fats'"),
        ({"most": 1.5}, "most: expected int, found 1.5"),
        ({"on": 1}, "on: expected bool, found 1"),
        ({"group": {"limit": 3}}, "group: expected Group, found {'limit': 3}"),
        ({"group": Group(limit=True)}, "group.limit: expected int, found True"),
        ({"group": Group(power="2")}, "group.power: expected float, found '2'"),
    ],
)
def test_a_value_of_another_type_is_refused(settings, message):
    with pytest.raises(UserError) as refused:
        checked(Settings(**settings), Settings)
    assert str(refused.value) == message


def test_settings_of_another_class_are_refused():
    with pytest.raises(UserError, match="config: expected Settings, found Group"):
        checked(Group(), Settings)
