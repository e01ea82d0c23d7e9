import csv
import io
import json

import numpy as np
import pytest
import retrieval_files as rf
from PIL import Image

from glrtf.commands import prepare_revisited
from glrtf.evaluation import revisited

# Names as the datasets have them: longer than an image_id, and no hex digits.
INDEX = ["radcliffe_camera_000519", "christ_church_000179", "all_souls_000013"]
QUERIES = ["all_souls_000026", "radcliffe_camera_000095"]
TRUTH = {
    "imlist": INDEX,
    "qimlist": QUERIES,
    "gnd": [
        {"easy": [2], "hard": [], "junk": [0], "bbx": [10.4, 5, 49.6, 30]},
        {"easy": [], "hard": [0], "junk": [], "bbx": [0, 0, 80, 60.3]},
    ],
}


@pytest.fixture
def paths(tmp_path):
    photos = tmp_path / "jpg"
    photos.mkdir()
    for number, name in enumerate([*INDEX, *QUERIES]):
        (photos / f"{name}.jpg").write_bytes(rf.jpeg(80, 60, (40 * number, 9, 99)))
    (tmp_path / "gnd.json").write_text(json.dumps(TRUTH))
    return [str(tmp_path / name) for name in ("gnd.json", "jpg", "out")]


def test_layout(paths, tmp_path, capsys):
    assert prepare_revisited.main(paths) == 0
    out = tmp_path / "out"
    output = capsys.readouterr().out
    assert "2 queries, 3 index photos" in output
    assert "--fusion.limit 3" in output
    with open(out / "metadata" / "index.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == INDEX
    assert [row["id"] for row in rows] == [f"{place:016x}" for place in range(3)]
    second = out / "index" / "0" / "0" / "0" / f"{1:016x}.jpg"
    assert second.read_bytes() == (tmp_path / "jpg" / f"{INDEX[1]}.jpg").read_bytes()
    # 10.4 to 49.6 is rounded to 10 to 50; 60.3 to the photo's own end.
    sizes = [
        Image.open(out / "test" / "f" / "0" / "0" / f"f{place:015x}.jpg").size for place in range(2)
    ]
    assert sizes == [(40, 25), (80, 60)]
    truth = revisited.read_ground_truth(str(out / "metadata" / "ground_truth.json"))
    first = truth.queries["f" + 15 * "0"]
    assert first.marked["easy"] == {f"{2:016x}"}
    assert first.marked["junk"] == {f"{0:016x}"}


def no_box(folder):
    truth = json.loads(json.dumps(TRUTH))
    truth["gnd"][0]["bbx"] = [100, 0, 120, 30]
    (folder / "gnd.json").write_text(json.dumps(truth))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (no_box, "box [100.0, 0.0, 120.0, 30.0] outside of its 80x60 pixels"),
        (
            lambda folder: (folder / "jpg" / f"{INDEX[1]}.jpg").unlink(),
            "found none for 1 of them, the first 'christ_church_000179'",
        ),
        (
            lambda folder: (folder / "jpg" / f"{QUERIES[1]}.jpg").write_bytes(b"<html>"),
            "radcliffe_camera_000095.jpg: expected a photo that holds its query's box",
        ),
        (lambda folder: (folder / "gnd.json").write_text("{}"), "expected imlist, found none"),
        (lambda folder: (folder / "out").mkdir(), "already exists"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(paths, tmp_path, capsys, damage, message):
    damage(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    assert prepare_revisited.main(paths) == 2
    error = capsys.readouterr().err.splitlines()
    assert message in error[-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_equal_colours_outside_the_box_do_not_count(paths, tmp_path):
    """The crop holds the box's pixels and no others."""
    image = Image.new("RGB", (80, 60), "blue")
    image.paste("red", (10, 5, 50, 30))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=95, subsampling=0)
    (tmp_path / "jpg" / f"{QUERIES[0]}.jpg").write_bytes(out.getvalue())
    assert prepare_revisited.main(paths) == 0
    path = tmp_path / "out" / "test" / "f" / "0" / "0" / f"f{0:015x}.jpg"
    pixels = np.asarray(Image.open(path), np.int64)
    assert pixels[..., 0].min() > 150
    assert pixels[..., 2].max() < 110
