"""Sets made with other views, scales, sizes or models are never compared."""

import pytest
import retrieval_worlds as worlds

from glrtf.commands import retrieve, whiten
from glrtf.config.evaluation import ReportConfig
from glrtf.embeddings.agreement import Agreement
from glrtf.reporting.report_embeddings import open_embeddings
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

MADE = {
    **{"model_digest": "m", "size": 128, "tta": ["plain", "hflip"], "scales": [0.5, 1.0]},
    **{"max_side": 800, "antialias": False, "precision": "float32"},
}
OTHERWISE = {
    "model_digest": ("n", "the same model as --query q, found another model's"),
    "size": (96, "with size 128 as --query q, found size 96"),
    "tta": (["plain"], "with --tta hflip plain as --query q, found --tta plain"),
    "scales": ([1.0], "with --scales 0.5 1 as --query q, found --scales 1;"),
    "max_side": (0, "with max_side 800 as --query q, found max_side 0;"),
    "antialias": (True, "with antialias False as --query q, found antialias True;"),
    "precision": ("bfloat16", "--precision float32 as --query q, found --precision bfloat16;"),
}


@pytest.mark.parametrize("key", OTHERWISE)
def test_every_setting_that_changes_rows_is_compared(key):
    value, message = OTHERWISE[key]
    sets = Agreement()
    sets.add("--query q", MADE)
    sets.add("--index i", {**MADE, "row_dtype": "float16", "split": "index"})
    # Another model's set of the same images may differ.
    sets.add("--index j", {**MADE, key: value}, place=1)
    with pytest.raises(UserError, match=r"^--train t: expected embeddings") as refusal:
        sets.add("--train t", {**MADE, key: value})
    assert message in str(refusal.value)


def test_the_order_of_views_and_what_is_not_said_do_not_matter():
    sets = Agreement()
    sets.add("a", {})
    sets.add("b", MADE)
    sets.add("c", {**MADE, "tta": ["hflip", "plain"], "scales": [1, 0.5], "size": None})


def describe(world, split, **changed):
    """Changes what a set says of itself."""
    path = str(world.folder / split / "embedding_set.json")
    info = files.read_json(path)
    info["meta"] |= MADE | changed
    files.write_json(path, info)


@pytest.fixture
def world(tmp_path):
    made = worlds.make_world(tmp_path / "world", test=6, index=20, train=40, train_parts=2)
    for split in ("test", "index", "train", "non_landmark"):
        describe(made, split)
    return made


@pytest.mark.parametrize("key", OTHERWISE)
@pytest.mark.parametrize("split", ["index", "train", "non_landmark"])
def test_retrieve_compares_every_set(tmp_path, world, capsys, split, key):
    describe(world, split, **{key: OTHERWISE[key][0]})
    others = ["--non_landmark", world.folder / "non_landmark"]
    assert retrieve.main(world.arguments("--output", tmp_path / "out", *others)) == 2
    error = capsys.readouterr().err
    assert f"--{split} {world.folder / split}: expected embeddings" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out" / "submission.csv").exists()


@pytest.mark.parametrize("key", OTHERWISE)
@pytest.mark.parametrize("split", ["index", "test"])
def test_whiten_compares_every_set(tmp_path, world, capsys, split, key):
    describe(world, split, **{key: OTHERWISE[key][0]})
    sets = {"train": "train", "query": "test", "index": "index"}
    named = [text for flag, s in sets.items() for text in (f"--{flag}", str(world.folder / s))]
    assert whiten.main([*named, "--dimension=4", "--output", str(tmp_path / "out")]) == 2
    assert f"{world.folder / split}: expected embeddings" in capsys.readouterr().err


@pytest.mark.parametrize("key", OTHERWISE)
def test_the_report_compares_every_set(world, key):
    describe(world, "train", **{key: OTHERWISE[key][0]})
    sets = {"query": "test", "index": "index", "train": "train"}
    named = {role: [str(world.folder / split)] for role, split in sets.items()}
    config = ReportConfig("r", "s", "p", "o", **named)
    with pytest.raises(UserError, match="expected embeddings"):
        open_embeddings(config, {})
