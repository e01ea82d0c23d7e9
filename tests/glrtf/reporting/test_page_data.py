import json
import re

from glrtf.reporting import page_data
from glrtf.reporting.gallery import QueryView, RankedImage

IMAGES = (
    RankedImage("a", "right", 1.23456, 0.9, 0.5, 7, by_bridge=True),
    # Reached over a landmark too, but it would stand there without.
    RankedImage("b", "wrong", 0.5, 0.5, 0.1, 7),
    RankedImage("c", "ignored"),
)
VIEW = QueryView("q", "Public", 0.123456, 0.25, 1, 3, 1, IMAGES, ("d",))
BARE = QueryView("r", "Ignored", None, None, 0, 0, 0, (), ())


def test_the_list_of_all_queries():
    first, second = page_data.query_list([VIEW, BARE])
    assert first == {
        "id": "q",
        "usage": "Public",
        "ap": 0.1235,
        "gain": -0.1265,
        "first": 1,
        "relevant": 3,
        "hits": 1,
        "score": 1.2346,
        "strip": "a\nb\nc",
        "marks": "rwi",
        "bridged": "100",
    }
    assert (second["ap"], second["gain"], second["strip"]) == (None, None, "")


def test_a_chunk_hands_its_details_to_the_page():
    train = {7: ["t1", "t2"], 8: ["t3"]}
    bridges = {("q", 7): ["t1"], ("a", 7): ["t2"], ("a", 8): ["t3"]}
    text = page_data.chunk_script(3, [VIEW], train, bridges)
    content = json.loads(re.fullmatch(r"glrtf\.receive\(3, (.*)\);\n", text, re.S)[1])
    assert content["queries"]["q"]["images"][:2] == [
        ["a", "r", 1.2346, 0.9, 0.5, 7, 1],
        ["b", "w", 0.5, 0.5, 0.1, 7, 0],
    ]
    assert content["queries"]["q"]["images"][2] == ["c", "i", None, None, None, None, 0]
    assert content["queries"]["q"]["missed"] == ["d"]
    # Only what bridges an image of the chunk is handed over.
    assert content["train"] == {"7": ["t1", "t2"]}
    assert content["near"] == {"q 7": ["t1"], "a 7": ["t2"]}


def test_every_photo_that_may_be_shown():
    shown = page_data.shown_ids([VIEW, BARE], {7: ["t1"]}, {("q", 7): ["t2"]})
    assert shown == {"q", "r", "a", "b", "c", "d", "t1", "t2"}


def test_nothing_ends_the_script_before_its_time():
    text = page_data.script_json({"id": "</script><b>"})
    assert "<" not in text
    assert json.loads(text) == {"id": "</script><b>"}
