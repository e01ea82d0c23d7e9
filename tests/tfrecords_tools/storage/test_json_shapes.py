import dataclasses
import json
from typing import Any, Literal, TypedDict

import pytest

from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import json_shapes


class Inner(TypedDict):
    rows: int


class Outer(TypedDict):
    name: str
    parts: list[Inner]
    kind: Literal["a", "b"]


class More(Outer, total=False):
    share: float
    seen: bool | None
    digests: dict[str, str]
    anything: Any


@dataclasses.dataclass
class Stored:
    count: int
    pairs: tuple[Inner, ...]
    note: str = ""


SOUND = {"name": "n", "parts": [{"rows": 1}], "kind": "a"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": None}, "name: expected a text, found null"),
        ({"name": 3}, "name: expected a text, found 3"),
        ({"parts": None}, "parts: expected a list, found null"),
        ({"parts": {}}, "parts: expected a list, found an object"),
        ({"parts": [{"rows": 1}, 2]}, "parts[1]: expected an object, found 2"),
        ({"parts": [{}]}, "expected parts[0].rows, found none"),
        ({"parts": [{"rows": True}]}, "parts[0].rows: expected an integer, found true"),
        ({"parts": [{"rows": 1.5}]}, "parts[0].rows: expected an integer, found 1.5"),
        ({"kind": "c"}, "kind: expected 'a' or 'b', found 'c'"),
        ({"share": "1"}, "share: expected a number, found '1'"),
        ({"share": False}, "share: expected a number, found false"),
        ({"share": float("nan")}, "share: expected a number, found nan"),
        ({"seen": 0}, "seen: expected true or false or null, found 0"),
        ({"digests": {"x": None}}, "digests.x: expected a text, found null"),
        ({"digests": []}, "digests: expected an object, found a list"),
    ],
)
def test_the_key_and_the_value_are_named(tmp_path, changed, message):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(SOUND | changed))
    with pytest.raises(UserError) as refusal:
        json_shapes.read(str(path), More)
    assert str(refusal.value) == f"{path}: {message}; make it again"


@pytest.mark.parametrize("value", [None, 3, "x", [], [SOUND]])
def test_the_whole_value_may_be_wrong(value):
    with pytest.raises(UserError, match=r"p\.json: expected an object, found"):
        json_shapes.require("p.json", value, Outer)


def test_what_fits_is_taken():
    json_shapes.require("p", SOUND | {"share": 1, "seen": None, "anything": [{}]}, More)
    json_shapes.require("p", SOUND | {"unknown": 7, "digests": {}}, More)
    json_shapes.require("p", {"count": 1, "pairs": []}, Stored)


def test_dataclasses_are_shapes_too():
    for value, message in [
        ({"pairs": []}, "expected count, found none"),
        ({"count": 1, "pairs": [{"rows": "1"}]}, r"pairs\[0\].rows: expected an integer"),
        ({"count": 1, "pairs": [], "note": None}, "note: expected a text, found null"),
    ]:
        with pytest.raises(UserError, match=message):
            json_shapes.require("p", value, Stored)
