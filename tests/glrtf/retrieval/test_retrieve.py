"""The command: its files, its cache, its answers to bad input."""

import json
import subprocess
import sys

import numpy as np
import pytest
import retrieval_transcription as transcription
import retrieval_worlds as worlds

from glrtf.commands import retrieve
from glrtf.embeddings.embedding_set import finish, part_file
from tfrecords_tools.storage import files


@pytest.fixture
def world(tmp_path):
    return worlds.make_world(tmp_path / "world", test=10, index=120, train=300, train_parts=2)


def run(world, output, *more):
    return retrieve.main(world.arguments("--output", output, *more))


def test_the_three_files_agree(tmp_path, world):
    assert run(world, tmp_path / "out") == 0
    lines = (tmp_path / "out" / "submission.csv").read_text().splitlines()
    assert lines[0] == "id,images" and len(lines) == 11
    with np.load(tmp_path / "out" / "evidence.npz", allow_pickle=False) as evidence:
        arrays = dict(evidence)
    assert arrays["query_ids"].dtype == arrays["index_ids"].dtype == np.dtype("S16")
    assert arrays["landmark_id"].dtype == np.int64
    for name in ("final", "direct", "bridged"):
        assert arrays[name].dtype == np.float32 and arrays[name].shape == (10, 100)
    for row, line in enumerate(lines[1:]):
        query, _, images = line.partition(",")
        assert query.encode() == arrays["query_ids"][row]
        assert images.encode().split() == [one for one in arrays["index_ids"][row] if one]
    powers = arrays["direct"] ** 3 + arrays["bridged"] ** 3
    np.testing.assert_allclose(arrays["final"], powers, atol=1e-5)
    assert ((arrays["bridged"] > 0) <= (arrays["landmark_id"] >= 0)).all()
    assert set(np.unique(arrays["landmark_id"])) <= {-1, *world.train_landmarks.tolist()}
    description = json.loads((tmp_path / "out" / "retrieval.json").read_text())
    assert description["counts"] == {"query": 10, "index": 120, "train": 300}
    assert set(description["inputs"]) == {"query", "index", "train"}
    assert description["parameters"]["landmark"]["best_bonus"] == 0.5
    assert {"train_neighbors", "landmark_confidences", "all"} <= set(description["seconds"])


def test_a_later_parameter_does_not_repeat_the_search(tmp_path, world):
    def reused(*flags):
        assert run(world, tmp_path / "out", *flags) == 0
        return json.loads((tmp_path / "out" / "retrieval.json").read_text())["reused_stages"]

    assert reused() == []
    assert reused("--fusion.bridge_power=2") == [
        "dba_test",
        "direct_neighbors",
        "train_neighbors",
        "landmark_confidences",
    ]
    assert reused("--landmark.keep=3") == ["dba_test", "direct_neighbors", "train_neighbors"]
    assert "train_neighbors" not in reused("--train_neighbors.per_part=4")
    assert reused("--dba.alpha=2") == ["dba_test", "train_neighbors", "landmark_confidences"]


def test_a_second_run_gives_the_same_bytes(tmp_path, world):
    names = ("submission.csv", "evidence.npz")
    for output in ("one", "two"):
        assert run(world, tmp_path / output) == 0
    for name in names:
        first, second = (tmp_path / output / name for output in ("one", "two"))
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("preset", ["direct", "direct_dba"])
def test_direct_presets_need_no_train_set(tmp_path, world, preset):
    arguments = ["--query", str(world.folder / "test"), "--index", str(world.folder / "index")]
    output = tmp_path / "out"
    # All that there are, however many are wanted.
    arguments += ["--fusion.direct_k", "1000000000", "--fusion.limit", "1000000000"]
    assert retrieve.main([*arguments, "--output", str(output), "--preset", preset]) == 0
    with np.load(output / "evidence.npz", allow_pickle=False) as evidence:
        queries = world.test
        if preset == "direct_dba":
            queries = transcription.augment(world.test, world.index, world.test)
        similarities = queries @ world.index.T
        assert (similarities < 0).any()  # Their confidences are all 0.
        order = np.argsort(-similarities, axis=1)
        np.testing.assert_array_equal(evidence["index_ids"], world.index_ids[order])
        assert (evidence["landmark_id"] == -1).all() and (evidence["bridged"] == 0).all()


def test_no_more_neighbours_than_rows(tmp_path, world):
    """The index has 120 images, and each of the 20 parts of the train images has 15."""
    assert run(world, tmp_path / "a", "--fusion.direct_k=120", "--fusion.limit=120") == 0
    flags = [f"--{name}=1000000000" for name in ("fusion.direct_k", "fusion.limit")]
    assert run(world, tmp_path / "b", *flags, "--train_neighbors.per_part=1000000000") == 0
    one, other = ((tmp_path / name / "submission.csv").read_bytes() for name in "ab")
    assert one == other


def test_several_models_are_joined(tmp_path, world):
    other = worlds.make_world(
        tmp_path / "other", test=10, index=120, train=300, train_parts=3, dimension=24
    )
    both = [
        *("--query", world.folder / "test", other.folder / "test"),
        *("--index", world.folder / "index", other.folder / "index"),
        *("--output", tmp_path / "out", "--preset", "direct", "--votes", "1", "0.5"),
    ]
    assert retrieve.main([str(one) for one in both]) == 0
    queries, index = (
        np.concatenate([getattr(world, split), 0.5 * getattr(other, split)], axis=1)
        for split in ("test", "index")
    )
    # Farther on similarities are negative: all count 0 and image ids decide.
    order = np.argsort(-(queries @ index.T), axis=1)[:, :30]
    with np.load(tmp_path / "out" / "evidence.npz", allow_pickle=False) as evidence:
        np.testing.assert_array_equal(evidence["index_ids"][:, :30], world.index_ids[order])


def test_the_non_landmark_images_may_be_the_querys_own(tmp_path, world):
    lines = [
        f"{one.decode()},{'' if row < 3 else 7},Private" for row, one in enumerate(world.test_ids)
    ]
    solution = tmp_path / "recognition.csv"
    solution.write_text("\n".join(["id,landmarks,Usage", *lines]))
    assert run(world, tmp_path / "own", "--non_landmark_solution", solution) == 0
    worlds.write(tmp_path / "three", [world.test[:3].astype(np.float32)], world.test_ids[:3])
    assert run(world, tmp_path / "given", "--non_landmark", tmp_path / "three") == 0
    found = [
        np.load(tmp_path / name / "evidence.npz")["final"].tolist() for name in ("own", "given")
    ]
    np.testing.assert_allclose(*found, atol=1e-6)
    assert run(world, tmp_path / "none") == 0
    assert np.load(tmp_path / "none" / "evidence.npz")["final"].tolist() != found[0]


def test_non_landmark_scores_may_come_from_a_table(tmp_path, world):
    table = tmp_path / "scores.csv"
    lines = (world.folder / "train.csv").read_text().splitlines()
    ids = [line.split(",")[0] for line in lines[1:]]
    table.write_text("\n".join(["id,non_landmark_confidence", *(f"{one},1" for one in ids)]))
    assert run(world, tmp_path / "ones", "--non_landmark_scores", table) == 0
    assert run(world, tmp_path / "none") == 0
    ones, none = ((tmp_path / name / "submission.csv").read_bytes() for name in ("ones", "none"))
    assert ones == none
    table.write_text("\n".join(["id,non_landmark_confidence", *(f"{one},0.1" for one in ids)]))
    assert run(world, tmp_path / "tenths", "--non_landmark_scores", table) == 0
    found = np.load(tmp_path / "tenths" / "evidence.npz")["bridged"]
    assert found.max() > np.load(tmp_path / "none" / "evidence.npz")["bridged"].max()


def refused(capsys, arguments):
    assert retrieve.main([str(one) for one in arguments]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len([line for line in error if "error:" in line]) == 1
    return error[-1]


def test_bad_settings_get_one_line(tmp_path, world, capsys):
    out = ["--output", tmp_path / "out"]
    query, index = ["--query", world.folder / "test"], ["--index", world.folder / "index"]
    cases = [
        ([*query, *index, *out], "--train: preset fifth_place needs"),
        ([*query, *index, *out, "--preset=direct", "--fusion.limit=0"], "expected 1 or more"),
        ([*query, *index, *out, "--preset=direct", "--votes", "1", "2"], "--votes: expected one"),
        ([*query, *index, *out, "--preset=direct", "--label_vote_weight=1"], "label_vote_weight"),
        ([*query, *index, *out, "--preset=dirct"], "did you mean direct"),
        ([*query, *index, *out, "--search.metric=cosine"], "unknown option --search.metric; see"),
        ([*query, "--index", tmp_path / "absent", *out, "--preset=direct"], "no such folder"),
    ]
    for arguments, expected in cases:
        assert expected in refused(capsys, arguments)
    assert not (tmp_path / "out").exists()


def test_bad_tables_get_one_line(tmp_path, world, capsys):
    table = tmp_path / "table.csv"
    known = (world.folder / "train.csv").read_text().splitlines()[1].partition(",")[0]
    cases = [
        ("landmarks", "id,landmark\na,1\n", "expected a CSV with columns id,landmark_id"),
        (
            "landmarks",
            "id,landmark_id\nabc,x\n",
            "table.csv: line 2: expected a landmark_id",
        ),
        ("landmarks", "id,landmark_id\nabc,1\n", "found none for 300 of them"),
        (
            "landmarks",
            f"id,landmark_id\n{known},1\n{known},1\n{known},2\n",
            f"table.csv, line 4: expected one landmark for image {known}, found 2 after 1",
        ),
        (
            "non_landmark_scores",
            "id,score\n",
            "expected the column 'non_landmark_confidence'",
        ),
        ("non_landmark_scores", "id,non_landmark_confidence\na,nan\n", "expected a number"),
        ("non_landmark_scores", "id,non_landmark_confidence\na,1\n", "found none for 300"),
        ("non_landmark_solution", "id\n", "expected the column 'landmarks', found id"),
        ("non_landmark_solution", "id,landmarks\na,\n", "with empty landmarks, found none"),
    ]
    for flag, text, expected in cases:
        table.write_text(text)
        arguments = world.arguments("--output", tmp_path / "out", f"--{flag}={table}")
        assert expected in refused(capsys, arguments)
    table.write_bytes(b"id,landmark_id\n\xff\xfe,1\n")
    arguments = world.arguments("--output", tmp_path / "out", f"--landmarks={table}")
    assert "expected text in UTF-8" in refused(capsys, arguments)
    # Reported before any search: not even a cache exists.
    assert not (tmp_path / "out").exists()


def test_sets_of_different_models_are_refused(tmp_path, world, capsys):
    def name_model(split, digest):
        path = str(world.folder / split / "embedding_set.json")
        description = files.read_json(path)
        description["meta"]["model_digest"] = digest
        files.write_json(path, description)

    for split in ("test", "index", "train"):
        name_model(split, "one")
    assert run(world, tmp_path / "same") == 0
    name_model("train", "another")
    line = refused(capsys, world.arguments("--output", tmp_path / "out"))
    assert f"--train {world.folder / 'train'}: expected embeddings of the same model" in line
    assert not (tmp_path / "out").exists()


def test_a_bad_row_is_named_and_nothing_is_written(tmp_path, world, capsys):
    path = world.folder / "index" / part_file("embeddings", 1, 3)
    rows = np.load(path)
    rows[2] = np.nan
    np.save(path, rows)
    finish(str(world.folder / "index"), 3, model="synthetic")
    line = refused(capsys, world.arguments("--output", tmp_path / "out", "--preset=direct"))
    # The first of three parts of 120 rows has 40.
    assert "index: row 42 (image " in line and "NaN or infinity" in line
    assert not (tmp_path / "out" / "submission.csv").exists()


def test_a_changed_row_is_refused_before_any_search(tmp_path, world, capsys):
    path = world.folder / "train" / part_file("embeddings", 1, 2)
    rows = np.load(path)
    np.save(path, -rows)
    assert run(world, tmp_path / "out", "--preset=direct") == 0
    line = refused(capsys, world.arguments("--output", tmp_path / "out"))
    assert f"{path}: changed since the set was made" in line


def test_what_was_written_is_named_with_its_digest(tmp_path, world):
    assert run(world, tmp_path / "out") == 0
    described = files.read_json(str(tmp_path / "out" / "retrieval.json"))["files"]
    for name in ("submission.csv", "evidence.npz"):
        assert described[name] == files.sha256(str(tmp_path / "out" / name))


def test_help_loads_neither_numpy_nor_tensorflow():
    code = "import sys, glrtf.retrieve; print(sorted({'numpy', 'tensorflow'} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
