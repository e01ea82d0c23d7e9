"""The examples of docs/python.md, run as they stand and in order."""

import contextlib
import re

import pytest
from documented import ROOT
from photo_world import image_id, make_world

import glrtf
from glrtf.commands.catalog import COMMANDS

EXAMPLES = re.findall(
    r"^```python\n(.*?)^```", (ROOT / "docs" / "python.md").read_text(), re.DOTALL | re.MULTILINE
)


COMMAND_TABLE = re.findall(
    r"^\| `(\w+)` \| `(\w+)` \| `(\w+)`",
    (ROOT / "docs" / "python.md").read_text(),
    re.MULTILINE,
)


def test_the_table_names_every_command_in_order():
    functions = [name if name != "search" else "search_photos" for name in COMMANDS]
    assert [function for function, _, _ in COMMAND_TABLE] == functions
    assert all(hasattr(glrtf, name) for row in COMMAND_TABLE for name in row)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the demo leaves, on a small scale."""
    folder = tmp_path_factory.mktemp("demo")
    world = make_world(folder)
    (folder / "gldv2").mkdir()
    (folder / "gldv2" / "metadata").symlink_to(world.folder / "metadata")
    (folder / "gldv2" / "index").symlink_to(world.folder / "index")
    (folder / "embeddings").symlink_to(folder / "sets")
    lines = [f"{image_id(n)},{image_id(n + 4)},Private" for n in range(4)]
    solution = folder / "metadata" / "retrieval_solution_v2.1.csv"
    solution.write_text("\n".join(["id,images,Usage", *lines]) + "\n")
    (folder / "photo.jpg").symlink_to(world.photos[0])
    return folder


def test_the_examples_run(folder, capsys):
    names: dict = {}
    with contextlib.chdir(folder):
        for example in EXAMPLES:
            exec(compile(example, "docs/python.md", "exec"), names)
    assert (folder / "submission.csv").read_text().startswith("id,images\n")
    assert names["both"].dimension == 8 and names["found"].shape == (2, 16)
    assert names["picture"].size == (5 * 132 + 4, 144)
    assert (names["settings"].preset, names["settings"].fusion.limit) == ("direct_dba", 50)
    out = capsys.readouterr().out
    # One relevant image at rank 2.
    assert "\n0.5\n" in out
    assert out.splitlines()[-1].startswith("embeddings/none: no such folder")
