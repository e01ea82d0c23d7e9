"""The command against a slow transcription: the same images in the same places."""

import csv
import json

import numpy as np
import pytest
import retrieval_transcription as transcription
import retrieval_worlds as worlds

from glrtf.commands import retrieve

WORLDS = {
    "plain": {},
    "duplicates": {"duplicates": 60, "test": 100, "landmarks": 3},
    "unequal parts": {"train_parts": [0, 1400, 7, 93]},
    "one landmark": {"landmarks": 1, "index": 500},
    "few images": {"test": 2, "index": 3, "train": 4, "landmarks": 2, "train_parts": 2},
    "float16": {"dtype": np.float16},
}
OPTIONS = {
    "as published": ([], {}),
    "global neighbours": (["--train_neighbors.per_part=0"], {"per_part": 0}),
    "few neighbours": (
        ["--train_neighbors.per_part=0", "--train_neighbors.k=7"],
        {"per_part": 0, "k": 7},
    ),
    "surest first": (["--fusion.tie_break=bridge"], {"tie_break": "bridge"}),
    "both augmented": (["--dba.rows=both"], {"dba_rows": "both"}),
    "means": (["--landmark.aggregate=mean"], {"mean": True}),
}


def ranked(folder):
    with open(folder / "submission.csv", newline="") as file:
        return {row["id"]: row["images"].split() for row in csv.DictReader(file)}


def compare(world, tmp_path, flags, options, non_landmark=True):
    others = ["--non_landmark", world.folder / "non_landmark"] if non_landmark else []
    arguments = world.arguments("--output", tmp_path / "out", *others, *flags)
    assert retrieve.main(arguments) == 0
    expected = transcription.fifth_place(
        world.test,
        world.index,
        world.train_parts,
        world.train_landmarks,
        world.index_ids,
        world.non_landmark if non_landmark else None,
        **options,
    )
    found = ranked(tmp_path / "out")
    assert list(found) == [one.decode() for one in world.test_ids]
    for row, one in enumerate(world.test_ids):
        assert found[one.decode()] == [image.decode() for image in expected[row]]


@pytest.mark.parametrize("world", WORLDS)
def test_every_world_ranks_as_transcribed(tmp_path, world):
    compare(worlds.make_world(tmp_path, **WORLDS[world]), tmp_path, [], {})


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_ranks_as_transcribed(tmp_path, name):
    world = worlds.make_world(tmp_path, index=400, landmarks=10, duplicates=40, seed=1)
    compare(world, tmp_path, *OPTIONS[name])


def test_without_non_landmark_images_nothing_is_penalised_and_a_note_says_so(tmp_path, capsys):
    compare(worlds.make_world(tmp_path), tmp_path, [], {}, non_landmark=False)
    assert "no non-landmark images given" in capsys.readouterr().err
    assert "penalised" in json.loads((tmp_path / "out" / "retrieval.json").read_text())["notes"][0]


def test_a_larger_world_ranks_as_transcribed(tmp_path):
    world = worlds.make_world(
        tmp_path, test=140, index=1500, train=8000, landmarks=900, non_landmark=100, dimension=32
    )
    compare(world, tmp_path, [], {})


def test_the_cut_of_the_train_set_does_not_matter_with_global_neighbours(tmp_path):
    results = []
    for name, parts in {"one": 1, "five": [0, 900, 1, 590, 9]}.items():
        world = worlds.make_world(tmp_path / name, train_parts=parts, duplicates=30, index=300)
        arguments = world.arguments("--output", tmp_path / name / "out")
        assert retrieve.main([*arguments, "--train_neighbors.per_part=0"]) == 0
        results.append((tmp_path / name / "out" / "submission.csv").read_bytes())
    assert results[0] == results[1]
