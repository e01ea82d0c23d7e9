"""The commands of docs/your-own-photos.md, run as they stand on a few drawn photos.

Only what costs time is made small: the network and its input, the epochs, no download.
"""

import json

import pytest
from documented import ROOT, commands_of
from shard_writing import photo

COMMANDS = list(commands_of(ROOT / "docs" / "your-own-photos.md"))
SMALL = {
    "glrtf.train": ["--size=32", "--epochs=1", "--batch_size=6", "--weights=none"],
    "glrtf.search": ["--json=found.json", "--limit=3"],
}
TABLE = """photo,landmark
Italy/IMG_0412.JPG,Colosseum
Italy/IMG_0413.JPG,Colosseum
2019/pisa (1).png,Leaning Tower of Pisa
2019/pisa (2).png,Leaning Tower of Pisa
rest/1.jpg,
rest/2.jpg,
"""
HELD_OUT = """photo,landmark
new/1.jpg,Colosseum
new/2.jpg,
"""


def test_there_are_six_and_then_measures_search_and_serve():
    names = [each.module for each in COMMANDS]
    assert names[:6] == [
        "tfrecords_tools.arrange",
        "tfrecords_tools.build",
        "glrtf.train",
        "glrtf.export",
        "glrtf.embed",
        "glrtf.embed",
    ]
    assert names[6:] == [
        "glrtf.evaluate_index",
        "glrtf.evaluate_index",
        "glrtf.search",
        "glrtf.serve",
    ]


def test_a_folder_and_a_table_become_searchable(small_networks, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos.csv").write_text(TABLE)
    (tmp_path / "held_out.csv").write_text(HELD_OUT)
    rows = [*TABLE.splitlines()[1:], *HELD_OUT.splitlines()[1:]]
    for number, line in enumerate(rows):
        path = tmp_path / "photos" / line.rpartition(",")[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo(number, 48, 64, "PNG" if path.suffix == ".png" else "JPEG"))
    for command in COMMANDS[:9]:
        module = command.imported()
        arguments = [*command.arguments, *SMALL.get(command.module, [])]
        assert module.main(arguments) == 0, capsys.readouterr().err
    quality = json.loads((tmp_path / "own" / "quality.json").read_text())
    assert (quality["queries"], quality["unanswerable"]) == (1, 1)
    assert {each["name"] for each in quality["worst"]} == {"Colosseum"}
    [answer] = json.loads((tmp_path / "found.json").read_text())["answers"]
    nearest = max(answer["photos"], key=lambda each: each["direct"])
    assert nearest["name"] == "Italy/IMG_0412.JPG"
    assert nearest["direct"] == pytest.approx(1, abs=1e-3)
    assert {each["name"] for each in answer["landmarks"]} <= {"Colosseum", "Leaning Tower of Pisa"}
