"""The Python interface: what is imported, and the functions that need no TensorFlow."""

import csv
import dataclasses
import importlib
import inspect
import subprocess
import sys
import typing
from pathlib import Path

import numpy as np
import pytest
import retrieval_worlds as worlds
from PIL import Image

import glrtf
from glrtf.commands import retrieve
from glrtf.commands.catalog import COMMANDS
from tfrecords_tools.command.typed_settings import checked

HEAVY = ("tensorflow", "keras", "numpy", "jsonargparse", "matplotlib", "yaml", "PIL")
# What no name but a model's class loads before it is called.
HEAVIEST = ("tensorflow", "keras", "matplotlib", "jax", "onnxruntime", "annoy", "faiss", "optuna")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return worlds.make_world(tmp_path_factory.mktemp("world"), test=10, index=120, train=300)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def stored_rows(folder):
    """Ids and rows of a set, as they are on disk."""
    opened = glrtf.open_set(folder)
    parts = [np.array(opened.part(part)[0]) for part in range(opened.num_parts)]
    return opened.ids, np.concatenate(parts)


def landmarks_of(world):
    with open(world.folder / "train.csv") as file:
        return {row["id"]: int(row["landmark_id"]) for row in csv.DictReader(file)}


def test_every_name_of_the_stub_exists():
    assert glrtf.__all__[0] == "open_set" and len(set(glrtf.__all__)) == len(glrtf.__all__)
    for name in glrtf.__all__:
        assert name in dir(glrtf)
        if name not in ("ArcFaceHead", "PhotoEmbedder"):  # They load TensorFlow.
            assert getattr(glrtf, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'serach'"):
        glrtf.serach  # noqa: B018


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_a_function_from_settings_to_a_result(name):
    """Its result is a frozen dataclass, offered by the interface as are the settings."""
    function = getattr(glrtf, {"search": "search_photos"}.get(name, name))
    stem = name.title().replace("_", "") if name != "search" else "PhotoSearch"
    settings, result = (getattr(glrtf, f"{stem}{kind}") for kind in ("Config", "Result"))
    assert f"{settings.__module__}.{settings.__name__}" == COMMANDS[name].settings
    first = next(iter(inspect.signature(function).parameters.values()))
    assert first.name == "config" and first.annotation is settings
    returned = inspect.signature(function).return_annotation
    assert returned in (result, result.__name__)
    assert dataclasses.is_dataclass(result) and result.__dataclass_params__.frozen
    # The command calls this function: both lie in one module.
    assert inspect.getmodule(function) is importlib.import_module(COMMANDS[name].module)
    with pytest.raises(glrtf.UserError, match=f"config: expected {stem}Config, found object"):
        function(object())


TOGETHER = {
    "weights": {"output": "x.npz"},
    "whiten": {"dimension": 8},
    "retrieve": {"index": ["i"], "preset": "direct"},
    "tune": {"index": ["i"], "preset": "direct"},
    "ablate": {"index": ["i"], "preset": "direct"},
    "search": {"model": "m", "index": "i"},
    "serve": {"model": "m", "index": "i"},
    "evaluate_index": {"index": "i", "train": "t", "landmarks": "l.csv"},
    "prepare_benchmark": {"layout": "gpr1200"},
    "index_add": {"rows": "r"},
    "index_remove": {"ids": ("a",)},
    "recognize": {"train": ["t"], "landmarks": "l.csv"},
}
"""Command -> settings that it needs to go with each other."""


def _example(name, settings):
    """Settings with the least that they need."""
    choices = {"shell": "zsh", "backbone": "v2s"}
    values = dict(TOGETHER.get(name, {}))
    for field in dataclasses.fields(settings):
        if field.default is field.default_factory is dataclasses.MISSING:
            of_type = {list: ["x"], tuple: ("x",)}
            origin = typing.get_origin(typing.get_type_hints(settings)[field.name])
            values.setdefault(field.name, of_type.get(origin, choices.get(field.name, "x")))
    return settings(**values)


@pytest.mark.parametrize("name", COMMANDS)
def test_defaults_are_of_their_types(name):
    """So that no command refuses what it would take from the command line."""
    module, _, kind = COMMANDS[name].settings.rpartition(".")
    settings = getattr(importlib.import_module(module), kind)
    example = _example(name, settings)
    assert checked(example, settings) is example


def test_importing_it_loads_nothing_heavy():
    program = (
        "import os, sys\nos.environ.pop('OPENBLAS_THREAD_TIMEOUT', None)\nimport glrtf\n"
        # NumPy's OpenBLAS reads it when it is loaded.
        "print('numpy' in sys.modules, os.environ['OPENBLAS_THREAD_TIMEOUT'])\n"
        f"def heavy(): return [name for name in {HEAVY} if name in sys.modules]\n"
        "print(heavy())\nglrtf.rank, glrtf.search, glrtf.SearchConfig\nprint(heavy())\n"
        "for name in glrtf.__all__:\n"
        "    if name not in ('ArcFaceHead', 'PhotoEmbedder'): getattr(glrtf, name)\n"
        f"print([name for name in {HEAVIEST} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["False 20", "[]", "[]", "[]"]


def test_functions_stay_functions_when_modules_of_their_names_are_imported(capsys):
    from glrtf.__main__ import main

    assert main(["search"]) == 2
    importlib.import_module("glrtf.search")
    assert callable(glrtf.search) and glrtf.search.__module__ == "glrtf.api.ranking"
    assert callable(sys.modules["glrtf.search"].main)


def test_search_takes_folders_sets_arrays_and_pairs(world):
    ids, rows = stored_rows(world.folder / "index")
    queries = worlds.stored(world.test)
    similarity = queries @ rows.astype(np.float64).T
    expected = np.argsort(-similarity, axis=1, kind="stable")[:, :7]
    as_set = glrtf.open_set(world.folder / "index")
    for database in (str(world.folder / "index"), as_set, rows, (ids, rows)):
        found = glrtf.search(queries.astype(np.float32), database, k=7)
        np.testing.assert_array_equal(found.indices, expected)
        assert found.scores.dtype == np.float64 and found.scores.shape == (10, 7)
    joined = glrtf.search(glrtf.join_sets([world.folder / "test"]), as_set, k=7)
    np.testing.assert_array_equal(joined.indices, expected)


def test_search_without_queries_or_with_a_small_database(world):
    _, rows = stored_rows(world.folder / "index")
    assert glrtf.search(rows[:0], rows, k=3).indices.shape == (0, 3)
    few = glrtf.search(rows[:2], rows[:2], k=3)
    assert few.indices.tolist() == [[0, 1, -1], [1, 0, -1]]


@pytest.mark.parametrize(
    ("queries", "database", "k", "message"),
    [
        (np.ones((2, 4), np.float32), np.eye(4, dtype=np.float32), 1, "queries: .*length 1"),
        (np.eye(3, dtype=np.float32), np.eye(4, dtype=np.float32), 1, "expected rows of dimension"),
        (np.eye(4, dtype=np.float32), np.eye(4, dtype=np.float32), 0, "k: expected 1 or more"),
        ((["a"], np.eye(4, dtype=np.float32)), np.eye(4, dtype=np.float32), 1, "an id for each"),
        ("none", np.eye(4, dtype=np.float32), 1, "none: no such folder"),
    ],
)
def test_search_refuses(queries, database, k, message):
    with pytest.raises(glrtf.UserError, match=message):
        glrtf.search(queries, database, k)


def test_a_set_is_written_once_and_read_back(tmp_path):
    rows = unit(np.random.default_rng(0).normal(size=(5, 8))).astype(np.float32)
    written = glrtf.write_set(tmp_path / "set", rows, list("abcde"), model="mine", size=64)
    assert written.meta == {"model": "mine", "size": 64} and written.num_rows == 5
    ids, found = stored_rows(tmp_path / "set")
    assert ids.tolist() == [b"a", b"b", b"c", b"d", b"e"]
    np.testing.assert_array_equal(found, rows)
    with pytest.raises(glrtf.UserError, match="expected a new folder, found an embedding set"):
        glrtf.write_set(tmp_path / "set", rows, list("abcde"))


def test_sets_are_joined_by_id_with_votes(tmp_path):
    first = np.eye(3, dtype=np.float32)
    other = np.eye(3, dtype=np.float32)[[2, 0, 1]]
    glrtf.write_set(tmp_path / "a", first, ["x", "y", "z"])
    glrtf.write_set(tmp_path / "b", other, ["z", "x", "y"])  # Again e1 for x, e2 for y, e3 for z.
    joined = glrtf.join_sets([str(tmp_path / "a"), glrtf.open_set(tmp_path / "b")], [3, 4])
    # 3·e and 4·e side by side have length 5.
    expected = np.concatenate([0.6 * first, 0.8 * first], axis=1)
    np.testing.assert_allclose(joined.read(0, 0, 3), expected, atol=1e-7)


def test_rank_is_what_the_command_writes(world, tmp_path):
    assert retrieve.main(world.arguments("--output", tmp_path / "out")) == 0
    names = [world.folder / name for name in ("test", "index", "train")]
    ranked = glrtf.rank(*names, world.folder / "train.csv")
    expected = (tmp_path / "out" / "submission.csv").read_bytes()
    assert Path(ranked.write(tmp_path / "mine.csv")).read_bytes() == expected
    assert [note.split(":")[0] for note in ranked.notes] == ["no non-landmark images given"]
    with np.load(tmp_path / "out" / "evidence.npz") as evidence:
        for name, of_result in (
            *(("final", ranked.final), ("direct", ranked.direct), ("bridged", ranked.bridged)),
            ("landmark_id", ranked.landmarks),
        ):
            np.testing.assert_array_equal(evidence[name], of_result.astype(evidence[name].dtype))
    # The same of arrays, whatever their order, with the landmarks as a mapping.
    (test_ids, test), (index_ids, index), (train_ids, train) = map(stored_rows, names)
    mixed = np.random.default_rng(0).permutation(len(train))
    arrays = glrtf.rank(
        *((test_ids, test), (index_ids, index), (train_ids[mixed], train[mixed])),
        landmarks_of(world),
    )
    assert arrays.ids == ranked.ids
    np.testing.assert_allclose(arrays.final, ranked.final, atol=1e-6)


def test_rank_takes_the_settings_of_retrieve(world):
    names = [world.folder / name for name in ("test", "index")]
    direct = glrtf.rank(*names, preset="direct", fusion=glrtf.FusionConfig(limit=5))
    near = glrtf.search(*names, k=5)
    assert direct.images.shape == (10, 5) and not direct.bridged.any()
    np.testing.assert_array_equal(direct.images, near.indices)
    np.testing.assert_allclose(direct.direct, near.scores, atol=1e-6)
    non_landmark = glrtf.rank(
        *names,
        world.folder / "train",
        landmarks_of(world),
        non_landmark=world.folder / "non_landmark",
    )
    assert non_landmark.notes == ()
    votes = glrtf.rank([names[0], names[0]], [names[1], names[1]], votes=[1.0, 2.0])
    assert votes.images.shape == (10, 100)


def test_rank_refuses(world):
    names = [world.folder / name for name in ("test", "index", "train")]
    with pytest.raises(glrtf.UserError, match="found none for 1 of 300, the first"):
        known = landmarks_of(world)
        known.popitem()
        glrtf.rank(*names, known)
    with pytest.raises(ValueError, match=r"^landmarks: preset fifth_place needs"):
        glrtf.rank(*names)
    with pytest.raises(glrtf.UserError, match="found 'dircet'"):
        glrtf.rank(*names[:2], preset="dircet")
    with pytest.raises(glrtf.UserError, match="found 'exatc'"):
        glrtf.rank(*names[:2], search=glrtf.SearchConfig(backend="exatc"))
    with pytest.raises(TypeError, match="no_such_setting"):
        glrtf.rank(*names[:2], no_such_setting=1)
    with pytest.raises(glrtf.UserError, match="query: expected a list of sets"):
        glrtf.rank(glrtf.join_sets(names[:1]), names[1])
    _, rows = stored_rows(names[0])
    with pytest.raises(glrtf.UserError, match="expected at least one image"):
        glrtf.rank(rows[:0], names[1])


def test_score_takes_files_mappings_and_rankings(world, tmp_path):
    # AP@100 of the first: right at ranks 1 and 3 of 2 relevant: (1 + 2/3) / 2; the other's is 0.
    solution = {"q": ["a", "c"], "r": ["b"], "ignored": []}
    ranked = {"q": ["a", "x", "c"], "r": ["a"], "ignored": ["a"]}
    measures = glrtf.score(ranked, solution)
    assert set(measures) == {"All"} and measures["All"]["queries"] == 2
    assert measures["All"]["map@100"] == pytest.approx((5 / 6 + 0) / 2)
    (tmp_path / "solution.csv").write_text("id,images,Usage\nq,a c,Public\nr,b,Private\n")
    (tmp_path / "submission.csv").write_text("id,images\nq,a x c\nr,a\n")
    files = glrtf.score(tmp_path / "submission.csv", str(tmp_path / "solution.csv"))
    assert set(files) == {"Public", "Private", "All"}
    assert files["Public"]["map@100"] == pytest.approx(5 / 6)
    result = glrtf.rank(world.folder / "test", world.folder / "index")
    first = {query: images[:1] for query, images in result.ids.items()}
    assert glrtf.score(result, first, resamples=10)["All"]["map@100"] == 1
    with pytest.raises(glrtf.UserError, match="query 'z' is not in the solution"):
        glrtf.score({"z": ["a"]}, solution)


def test_settings_are_read_from_yaml_with_overrides(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text("preset: direct\nfusion: {limit: 7}\nquery: [a]\n")
    settings = glrtf.load_settings(glrtf.RetrieveConfig, path, index=["b", "c"], output="out")
    assert settings.query == ["a"] and settings.index == ["b", "c"]
    assert settings.fusion.limit == 7 and settings.output == "out"
    with pytest.raises(glrtf.UserError, match="unknown setting 'qery'; did you mean query"):
        path.write_text("qery: [a]\n")
        glrtf.load_settings(glrtf.RetrieveConfig, path, query=["a"], index=["b"], output="out")


def test_a_row_of_photos_has_a_place_for_each(tmp_path, capsys):
    """A red photo, twice as wide as high, and one that is missing."""
    (tmp_path / "0/0/0").mkdir(parents=True)
    Image.new("RGB", (64, 32), "red").save(tmp_path / "0/0/0/0001.jpg")
    row = glrtf.photo_row(tmp_path, [b"0001", "0002"], side=32)
    # Two places of 32 and gaps of 4; the thumbnail is 32 x 16, in the middle of its place.
    assert row.size == (2 * 36 + 4, 32 + 16)
    red, green, blue = row.getpixel((4 + 16, 16))
    assert red > 240 and green < 20 and blue < 20
    assert row.getpixel((4 + 16, 4)) == row.getpixel((40 + 16, 16)) == (255, 255, 255)
    assert capsys.readouterr() == ("", "")
    with pytest.raises(glrtf.UserError, match="expected one for each of 2 photos, found 1"):
        glrtf.photo_row(tmp_path, ["0001", "0002"], ["one"])


def test_scores_by_labels(tmp_path):
    rankings, labels = {"q": ["a", "b"]}, {"q": 7, "a": 8, "b": 7, "c": 7}
    found = glrtf.score_labels(rankings, labels, ranks=[1])
    assert found["All"]["mrr"] == 1 / 2 and found["All"]["recall@1"] == 0
    # Without c in the index b is all there is to find; with q's own label alone as well.
    assert glrtf.score_labels(rankings, labels, index=["a", "b"])["All"]["map"] == 1 / 2
    two = glrtf.score_labels(rankings, {"q": 7}, index_labels={"b": 7}, resamples=10)
    assert two["All"]["map_interval"] == [1 / 2, 1 / 2]
    (tmp_path / "s.csv").write_text("id,images\nq,a b\n")
    (tmp_path / "l.csv").write_text("id,label\nq,7\na,8\nb,7\nc,7\n")
    files = glrtf.score_labels(tmp_path / "s.csv", tmp_path / "l.csv", ranks=[1])
    assert files == found
