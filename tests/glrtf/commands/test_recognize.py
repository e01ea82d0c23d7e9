"""Tests of ``glrtf recognize``: landmarks, confidences, and that other commands show the same."""

import csv
import re

import numpy as np
import pytest
from retrieval_worlds import make_world, write

import glrtf
from glrtf.commands import evaluate, recognize
from glrtf.config.service import EvaluateIndexConfig
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.service import calibrating
from glrtf.service.row_searcher import RowSearcher
from glrtf.service.searched import open_searched


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    return make_world(folder, test=40, index=60, train=300, landmarks=15, noise=0.9)


def arguments(world, output, *more):
    named = {"query": "test", "train": "train", "landmarks": "train.csv"}
    given = [
        text for flag, name in named.items() for text in (f"--{flag}", str(world.folder / name))
    ]
    return [*given, "--output", str(output), *map(str, more)]


def lines_of(path):
    with open(path, newline="") as file:
        return {line["id"]: line["landmarks"] for line in csv.DictReader(file)}


def searched(world, index, **more):
    """Each query's first landmark and its probability, as search and serve show them."""
    config = EvaluateIndexConfig(
        index=str(world.folder / index),
        train=str(world.folder / "train"),
        landmarks=str(world.folder / "train.csv"),
        **more,
    )
    searcher = RowSearcher(open_searched(config), config)
    searcher.calibration = calibrating.calibrated(searcher, config)
    query = EmbeddingSet.open(str(world.folder / "test"))
    answers = searcher.answer(np.concatenate([query.read(0, 0, query.num_rows)]))
    firsts = [answer.landmarks[0] for answer in answers]
    return {
        one.decode(): (first.landmark_id, first.probability)
        for one, first in zip(query.ids.tolist(), firsts, strict=True)
    }


def shown(path):
    pairs = {image_id: text.split() for image_id, text in lines_of(path).items()}
    return {image_id: (int(one), float(two)) for image_id, (one, two) in pairs.items()}


@pytest.mark.parametrize("by_index", [False, True])
def test_confidences_are_those_of_search(world, tmp_path, by_index):
    """Without labels of index photos, both calibrate on train photos."""
    output = tmp_path / "r.csv"
    more = ["--index", world.folder / "index"] if by_index else []
    assert recognize.main(arguments(world, output, "--least", 0, *more)) == 0
    assert shown(output) == searched(world, "index")


def test_a_calibration_by_index_photos_is_used_with_the_index(world, tmp_path):
    """The train set as index has labels, of which 300 photos are known."""
    output, cache = tmp_path / "r.csv", tmp_path / "cache"
    more = ["--index", world.folder / "train", "--cache", cache, "--least", 0]
    assert recognize.main(arguments(world, output, *more)) == 0
    assert shown(output) == searched(world, "train", cache=str(cache))


def test_images_far_from_all_landmarks_get_none(world, tmp_path, capsys):
    output = tmp_path / "r.csv"
    rng = np.random.default_rng(4)
    near = np.load(world.folder / "test" / "embeddings-00000-of-00001.npy")[:5]
    far = rng.normal(size=(5, 16)).astype(np.float32)
    far -= 0.7 * far @ near.T @ near
    far /= np.linalg.norm(far, axis=1, keepdims=True)
    ids = np.array([b"a, b", *(f"q{number}".encode() for number in range(9))])
    write(tmp_path / "mixed", [np.concatenate([near, far])], ids)
    given = arguments(world, output, "--query", tmp_path / "mixed", "--least", "0.5")
    assert recognize.main(given) == 0
    found = lines_of(output)
    assert list(found) == [one.decode() for one in ids]
    assert found["a, b"]
    kept = sum(bool(text) for text in found.values())
    assert kept < 10
    assert all(float(text.split()[1]) >= 0.5 for text in found.values() if text)
    assert f"{kept} of 10 images recognized" in capsys.readouterr().out


def test_evaluate_scores_it(world, tmp_path, capsys):
    output, solution = tmp_path / "r.csv", tmp_path / "solution.csv"
    assert recognize.main(arguments(world, output)) == 0
    found = shown(output)
    rows = [f"{image_id},{landmark},Private" for image_id, (landmark, _) in found.items()]
    solution.write_text("\n".join(["id,landmarks,Usage", *rows]) + "\n")
    assert evaluate.main([str(output), str(solution)]) == 0
    assert re.search(r"^gap +1\.00000", capsys.readouterr().out, re.MULTILINE)


def test_several_models_are_joined(world, tmp_path):
    train, test = str(world.folder / "train"), str(world.folder / "test")
    table = str(world.folder / "train.csv")

    def run(name, copies, **more):
        config = glrtf.RecognizeConfig(
            query=[test] * copies,
            train=[train] * copies,
            landmarks=table,
            output=str(tmp_path / name),
            cache=str(tmp_path / f"{name}.cache"),
            least=0.0,
            **more,
        )
        return glrtf.recognize(config)

    # A set joined with itself has the same similarities, up to rounding.
    one, two = run("one.csv", 1), run("two.csv", 2, votes=[1.0, 2.0])
    assert one.num_images == two.num_images == 40
    first, second = shown(one.submission), shown(two.submission)
    assert {k: v[0] for k, v in first.items()} == {k: v[0] for k, v in second.items()}
    assert [v[1] for v in first.values()] == pytest.approx(
        [v[1] for v in second.values()], abs=1e-5
    )


def test_too_few_images_for_probabilities_are_said(tmp_path, capsys):
    small = make_world(tmp_path / "small", test=4, index=5, train=8, landmarks=2)
    output = tmp_path / "r.csv"
    assert recognize.main(arguments(small, output)) == 0
    printed = capsys.readouterr()
    assert "confidences are sums of similarities, not probabilities" in printed.err
    assert "confidence:" not in printed.out
    assert all(confidence > 1 for _, confidence in shown(output).values())


def test_train_images_or_a_bundle_are_needed(world, tmp_path, capsys):
    given = ["--query", str(world.folder / "test"), "--output", str(tmp_path / "r.csv")]
    assert recognize.main(given) == 2
    assert "train: expected --train and --landmarks, or --bundle" in capsys.readouterr().err
    assert recognize.main([*given, "--train", str(world.folder / "train")]) == 2
    assert "landmarks: expected --train and --landmarks, or --bundle" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--least", "2"], "least: expected 0 to 1, found 2"),
        (["--labels", "x.csv"], "labels: expected --index"),
        (["--landmarks", "nowhere.csv"], "--landmarks nowhere.csv: expected a file"),
        (["--index", "x", "--votes", "1"], "index: expected one model without --votes"),
        (["--query", "nowhere"], "nowhere"),
        (["--query", "a", "b"], "--query: expected 1 embedding sets as of --train, found 2"),
    ],
)
def test_mistakes_are_named_in_one_line(world, tmp_path, capsys, more, message):
    if more[-1] == "b":
        more = ["--query", *[world.folder / "test"] * 2]
    assert recognize.main(arguments(world, tmp_path / "r.csv", *more)) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "r.csv").exists()
