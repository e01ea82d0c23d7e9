"""Sets made with other views, scales, sizes or models are never compared."""

import numpy as np
import pytest
import retrieval_worlds as worlds

import glrtf
from glrtf.commands import retrieve, whiten
from glrtf.config.evaluation import ReportConfig
from glrtf.embeddings.agreement import Agreement
from glrtf.embeddings.embedding_set import EmbeddingSet
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


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        # Digests decide where both have one, whatever the names are.
        ({"model": "a", "model_digest": "1"}, {"model": "b", "model_digest": "1"}, True),
        ({"model": "a", "model_digest": "1"}, {"model": "a", "model_digest": "2"}, False),
        # Else names do, and what has no name may be any model's.
        ({"model": "a", "model_digest": "1"}, {"model": "a"}, True),
        ({"model": "a", "model_digest": "1"}, {"model": "b", "model_digest": None}, False),
        ({"model": "a"}, {"model": "b"}, False),
        ({"model": "a"}, {}, True),
    ],
)
def test_models_are_compared_by_digest_else_by_name(one, other, agree):
    for first, second in ((one, other), (other, one)):
        sets = Agreement()
        sets.add("--query q", first)
        if agree:
            sets.add("--index i", second)
            continue
        with pytest.raises(UserError, match=r"^--index i: .* another model's \([ab]\); embed both"):
            sets.add("--index i", second)


def test_a_name_is_compared_with_every_set_before():
    """The first has no name: the second and the third differ all the same."""
    sets = Agreement()
    sets.add("q", {"model_digest": "1"})
    sets.add("i", {"model": "a"})
    with pytest.raises(UserError, match=r"^t: expected .* as i \(a\), found another model's \(b\)"):
        sets.add("t", {"model": "b"})


def test_rotated_rows_of_another_name_are_refused_everywhere(tmp_path, capsys):
    """An orthogonal turn keeps lengths and all similarities within a set, and means nothing."""
    world = worlds.make_world(tmp_path / "world", test=6, index=20, train=40, train_parts=2)
    index = EmbeddingSet.open(world.folder / "index")
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(index.dimension,) * 2))[0]
    rows = index.take(np.arange(index.num_rows)) @ turn
    turned = glrtf.import_rows(rows, tmp_path / "turned", index.ids, model="turned")
    query = world.folder / "test"
    with pytest.raises(UserError, match="another model's"):
        glrtf.search(query, turned)
    with pytest.raises(UserError, match="another model's"):
        glrtf.rank(query, turned)
    arguments = world.arguments("--output", tmp_path / "out")
    place = arguments.index(str(world.folder / "index"))
    arguments[place] = str(turned.folder)
    assert retrieve.main(arguments) == 2
    assert "another model's (turned)" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["rows.npy", "rows.parquet", "x.faiss"])
def test_an_array_in_place_of_a_set_is_named_with_the_command(tmp_path, name):
    (tmp_path / name).write_bytes(b"any")
    message = rf"{name}: expected an embedding set, a folder, found .* `glrtf rows import --source"
    with pytest.raises(UserError, match=message):
        EmbeddingSet.open(tmp_path / name)


def describe(world, split, **changed):
    """Changes what a set records about itself."""
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
