"""Benchmarks in their published layouts, made up here, to photos, ids and truth."""

import csv
import json

import numpy as np
import pytest
import retrieval_files as rf
from PIL import Image

from glrtf.commands import evaluate, prepare_benchmark


def photo(path, number=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(rf.jpeg(80, 60, (3 * number, 9, 99)))


def rows(path):
    with open(path, newline="") as file:
        return [tuple(row.values()) for row in csv.DictReader(file)]


def prepared(layout, tmp_path, *flags):
    arguments = [layout, str(tmp_path / "source"), str(tmp_path / "out"), *flags]
    assert prepare_benchmark.main(arguments) == 0
    return tmp_path / "out"


def ids_of(out, split):
    return {name: image_id for image_id, name in rows(out / "metadata" / f"{split}.csv")}


def test_gpr1200(tmp_path, capsys):
    """Classes 3 and 210 are of the first and the second domain; all photos are queries."""
    names = ["3_a.jpg", "3_b.JPEG", "210_c.jpg", "210_d_e.jpg"]
    for number, name in enumerate(names):
        photo(tmp_path / "source" / "images" / name, number)
    out = prepared("gpr1200", tmp_path)
    assert not (out / "test").exists()
    ids = ids_of(out, "index")
    labels = [(ids[name], name.partition("_")[0]) for name in sorted(names)]
    assert rows(out / "metadata" / "query_labels.csv") == labels
    assert rows(out / "metadata" / "index_labels.csv") == labels
    of_nature = rows(out / "metadata" / "query_labels_nature.csv")
    assert of_nature == [one for one in labels if one[1] == "210"]
    output = capsys.readouterr().out
    assert "4 queries, 4 index photos" in output
    assert "--splits index\n" in output and "--query $O/sets/index" in output
    assert "--fusion.limit 4" in output and "--own keep" in output
    # Itself first, then a photo of the other class: 1 and 2/3.
    a, b, c = (ids[name] for name in ("3_a.jpg", "3_b.JPEG", "210_c.jpg"))
    (out / "r.csv").write_text(f"id,images\n{a},{a} {c} {b}\n")
    assert evaluated(out, "r.csv", "--own", "keep")["map"] == pytest.approx((1 + 2 / 3) / 2 / 4)


def evaluated(out, rankings, *flags):
    truth = [str(out / "metadata" / "query_labels.csv")]
    truth += ["--index_labels", str(out / "metadata" / "index_labels.csv")]
    found = str(out / "found.json")
    assert evaluate.main([str(out / rankings), *truth, *flags, "--json", found]) == 0
    return json.loads((out / "found.json").read_text())["measures"]["All"]


def instre_truth():
    """Two queries; the first has two photos, the second one."""

    def cells(*values):
        array = np.empty((1, len(values)), object)
        array[0] = values
        return array

    marks = np.zeros((1, 2), [("ok", object), ("bbx", object)])
    marks[0, 0] = (np.array([[1, 2]], np.uint16), np.array([[10.0, 5.0, 40.0, 30.0]]))
    marks[0, 1] = (np.array([[3]], np.uint16), np.array([[0.0, 0.0, 80.0, 60.0]]))
    index = ("INSTRE-S1/01a_canada_book/013.jpg", "INSTRE-M/01/002.jpg", "INSTRE-S2/77b/020.jpg")
    queries = ("INSTRE-S1/01a_canada_book/001.jpg", "INSTRE-S2/77b/021.jpg")
    return {"imlist": cells(*index), "qimlist": cells(*queries), "gnd": marks}


def test_instre(tmp_path, capsys):
    """Places count from 1, and boxes are x, y, width, height."""
    sio = pytest.importorskip("scipy.io")
    source = tmp_path / "source"
    truth = instre_truth()
    index, queries = list(truth["imlist"][0]), list(truth["qimlist"][0])
    for number, name in enumerate([*index, *queries]):
        photo(source / name, number)
    sio.savemat(source / "gnd_instre.mat", truth)
    out = prepared("instre", tmp_path)
    of_index, of_queries = ids_of(out, "index"), ids_of(out, "test")
    first = of_queries[queries[0]]
    assert Image.open(next((out / "test").rglob(f"{first}.jpg"))).size == (40, 30)
    assert rows(out / "metadata" / "solution.csv") == [
        (first, f"{of_index[index[0]]} {of_index[index[1]]}"),
        (of_queries[queries[1]], of_index[index[2]]),
    ]
    assert len(rows(out / "metadata" / "solution_INSTRE-S1.csv")) == 1
    output = capsys.readouterr().out
    assert "2 queries, 3 index photos" in output and "$O/metadata/solution.csv" in output


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"imlist": 2}, "gnd 2: expected places of 1 to 2, found uint16 of 1: 3"),
        ({"imlist": None}, "expected imlist, qimlist and gnd, found gnd, qimlist"),
        ({"qimlist": 1}, "expected as many gnd as qimlist (1), found 2"),
        ({"qimlist": np.eye(2)}, "qimlist 1: expected a text, found float64 of 1: 1.0"),
        ({"gnd": np.eye(2)}, "gnd 1: expected places and a box, found float64 of 1: 1.0"),
        ({"box": [1.0, 2.0]}, "gnd 1: expected a box of left, upper, width and height, found floa"),
    ],
)
def test_ground_truth_of_another_form(change, message, tmp_path, capsys):
    sio = pytest.importorskip("scipy.io")
    source = tmp_path / "source"
    source.mkdir()
    truth = instre_truth()
    for name, value in change.items():
        if value is None:
            del truth[name]
        elif isinstance(value, int):
            truth[name] = truth[name][:, :value]
        elif name == "box":
            truth["gnd"][0, 0]["bbx"] = np.array([value])
        else:
            truth[name] = value
    sio.savemat(source / "gnd_instre.mat", truth)
    assert prepare_benchmark.main(["instre", str(source), str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_ground_truth_that_is_no_matlab_file(tmp_path, capsys):
    pytest.importorskip("scipy.io")
    (tmp_path / "gnd_instre.mat").write_bytes(b"imlist,qimlist\n" * 20)
    assert prepare_benchmark.main(["instre", str(tmp_path), str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "gnd_instre.mat: expected a MATLAB file" in error and error.count("\n") == 1


def ilias(source):
    for name in ("bold_bimp_000", "calm_cat_001"):
        code = name[-3:]
        photo(source / "ilias_core" / name / "query" / f"Q{code}_00.jpg")
        (source / "ilias_core" / name / "query" / f"Q{code}_00_bbox.txt").write_text(
            "10 5 20 10\n40 20 10 30\n"
        )
        (source / "ilias_core" / name / "query" / f"T{code}.txt").write_text("a thing")
        for number in range(2):
            photo(source / "ilias_core" / name / "pos" / f"P{code}_{number:02d}.jpg", number)


def test_ilias(tmp_path, capsys):
    ilias(tmp_path / "source")
    photo(tmp_path / "yfcc" / "00001" / "17.jpg")
    out = prepared("ilias", tmp_path, "--crop", "true", "--distractors", str(tmp_path / "yfcc"))
    of_index, of_queries = ids_of(out, "index"), ids_of(out, "test")
    assert set(of_queries) == {"bold_bimp_000/query/Q000_00.jpg", "calm_cat_001/query/Q001_00.jpg"}
    labels = dict(rows(out / "metadata" / "index_labels.csv"))
    assert labels[of_index["calm_cat_001/pos/P001_01.jpg"]] == "calm_cat_001"
    assert labels[of_index["distractors/00001/17.jpg"]] == ""
    # The box around both boxes: 10 to 50 and 5 to 50.
    sizes = {Image.open(path).size for path in (out / "test").rglob("*.jpg")}
    assert sizes == {(40, 45)}
    output = capsys.readouterr().out
    assert "2 queries, 5 index photos" in output
    assert "--fusion.limit 5" in output and "--ranks 1 5 1000" in output
    query = of_queries["bold_bimp_000/query/Q000_00.jpg"]
    ranked = ["distractors/00001/17.jpg", "bold_bimp_000/pos/P000_01.jpg"]
    (out / "r.csv").write_text(f"id,images\n{query},{' '.join(of_index[o] for o in ranked)}\n")
    # One of two at 2, and the other query is missing.
    assert evaluated(out, "r.csv", "--ranks", "1000")["map@1000"] == pytest.approx(1 / 2 / 2 / 2)


def test_uned(tmp_path, capsys):
    """Cars search among themselves, queries of Met in an index of its own; one index of both."""
    source = tmp_path / "source"
    splits = {
        "cars/test": [("cars/1.jpg", 4), ("cars/2.jpg", 4), ("cars/3.jpg", 5)],
        "met/test": [("met/q.jpg", [7, 4])],
        "met/index": [("met/a.jpg", 7), ("met/b.jpg", 9)],
    }
    for name, listed in splits.items():
        path = source / "info_files" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([{"path": p, "class_id": c} for p, c in listed]))
        for number, (file, _) in enumerate(listed):
            photo(source / "images" / file, number)
    out = prepared("uned", tmp_path)
    of_index, of_queries = ids_of(out, "index"), ids_of(out, "test")
    assert len(of_index) == 5 and len(of_queries) == 4
    assert of_index["cars/1.jpg"] == of_queries["cars/1.jpg"]
    assert of_queries["met/q.jpg"].startswith("f")
    met = of_queries["met/q.jpg"]
    labels = rows(out / "metadata" / "query_labels.csv")
    assert {(met, "met:7"), (met, "met:4"), (of_queries["cars/3.jpg"], "cars:5")} <= set(labels)
    assert rows(out / "metadata" / "query_labels_met.csv") == [(met, "met:7"), (met, "met:4")]
    one, two = of_queries["cars/1.jpg"], of_queries["cars/2.jpg"]
    a = of_index["met/a.jpg"]
    (out / "r.csv").write_text(f"id,images\n{one},{one} {two}\n{two},{a} {one}\n{met},{two} {a}\n")
    found = evaluated(out, "r.csv")
    # The third car is the only one of its class: three queries are scored, one finds at 1.
    assert found["queries"] == 3 and found["hit@1"] == pytest.approx(1 / 3)
    arguments = ["uned", str(source), str(tmp_path / "x"), "--domains", "boats"]
    assert prepare_benchmark.main(arguments) == 2
    assert "--domains: expected domains of" in capsys.readouterr().err


def gpr_without_class(source):
    photo(source / "images" / "photo.jpg")


def ilias_without_boxes(source):
    ilias(source)
    next(source.rglob("*_bbox.txt")).write_text("10 5 20\n")


def uned_without_photo(source):
    (source / "info_files" / "cars").mkdir(parents=True)
    (source / "info_files" / "cars" / "test.json").write_text('[{"path": "c.jpg", "class_id": 1}]')


def uned_of_another_form(source):
    (source / "info_files" / "cars").mkdir(parents=True)
    (source / "info_files" / "cars" / "test.json").write_text('[{"path": "c.jpg"}]')


@pytest.mark.parametrize(
    ("layout", "make", "flags", "message"),
    [
        ("gpr1200", gpr_without_class, [], "expected photos named after the number of their class"),
        ("gpr1200", lambda source: None, [], "no such folder; expected photos"),
        (
            "ilias",
            ilias_without_boxes,
            ["--crop", "true"],
            "expected x, y, width and height a line",
        ),
        ("ilias", lambda source: source.mkdir(), [], "expected folders of objects with query"),
        ("instre", lambda source: source.mkdir(), [], "gnd_instre.mat: no such file; expected the"),
        ("uned", uned_without_photo, [], "c.jpg: no such file; 1 of 1 queries are missing"),
        ("uned", uned_of_another_form, [], "test.json: expected a list of path and class_id"),
        ("gpr1200", gpr_without_class, ["--domains", "cars"], "domains: expected layout uned, fou"),
    ],
)
def test_what_is_not_of_the_layout(layout, make, flags, message, tmp_path, capsys):
    make(tmp_path / "source")
    arguments = [layout, str(tmp_path / "source"), str(tmp_path / "out"), *flags]
    assert prepare_benchmark.main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()
