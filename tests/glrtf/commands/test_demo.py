import csv
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from glrtf.commands import demo
from glrtf.config import presets
from glrtf.config.demo import DemoConfig
from glrtf.config.training import TrainConfig
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.inference import lite_copy
from tfrecords_tools.command import cli

SETTINGS = """
backbone: v2b0
size: 32
epochs: 1
batch_size: 16
accumulation_steps: 1
learning_rate: 1.0e-3
warmup_epochs: 0
"""


@pytest.mark.parametrize("num_relevant", [1, 2, 3, 5])
@pytest.mark.parametrize("k", [1, 3, 5])
def test_chance_is_the_mean_over_all_orders(num_relevant: int, k: int) -> None:
    """Every order of five images, of which the first `num_relevant` are right."""
    precisions = []
    for order in itertools.permutations(range(5)):
        hits = [place < num_relevant for place in order[:k]]
        gains = [sum(hits[: r + 1]) / (r + 1) for r in range(k) if hits[r]]
        precisions.append(sum(gains) / min(num_relevant, k))
    expected = pytest.approx(np.mean(precisions))
    assert demo.chance_map(np.array([num_relevant]), 5, k=k) == expected
    assert demo.chance_map(np.array([num_relevant, num_relevant]), 5, k=k) == expected


def test_the_projects_settings_are_found_and_take_the_demonstrations_seed() -> None:
    config = demo._training_settings(DemoConfig(seed=3), "shards", "run")
    assert (config.data, config.workdir, config.seed) == ("shards", "run", 3)
    by_file = cli.parse(TrainConfig, [f"--config={presets.find_file('sample.yaml')}"], prog="")
    assert (config.backbone, config.size, config.margin) == (
        by_file.backbone,
        by_file.size,
        by_file.margin,
    )


def test_the_table_names_every_ranking_and_stage() -> None:
    result = demo.DemoResult(
        scores={"direct": 0.25, "direct_dba": 0.5, "fifth_place": 0.75},
        chance=0.125,
        seconds={"sample": 1.5, "train": 100.0},
        page="/x/index.html",
    )
    lines = [line.split() for line in demo.table(result).splitlines()]
    assert ["direct", "only", "0.250"] in lines
    assert ["direct", "+", "DBA", "0.500"] in lines
    assert ["bridged", "+", "direct", "0.750"] in lines
    assert ["a", "random", "order", "0.125"] in lines
    assert ["train", "100.0"] in lines
    assert ["all", "101.5"] in lines


@pytest.mark.parametrize("arguments", [["--seed", "-1"], ["--settings", "missing.yaml"]])
def test_bad_settings_are_reported_in_one_line_and_nothing_is_written(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.main(["--output", str(tmp_path / "demo"), *arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "demo").exists()


def test_the_whole_way_and_again(
    small_networks: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text(SETTINGS)
    folder = tmp_path / "demo"
    arguments = [f"--output={folder}", f"--settings={settings}"]
    arguments += ["--num_landmarks=3", "--photos_per_landmark=9"]
    assert demo.main(arguments) == 0
    first = capsys.readouterr().out
    page = Path(first.strip().splitlines()[-1])
    assert page.is_file()
    if lite_copy.is_installed():
        assert EmbeddingSet.open(str(folder / "embeddings/test")).meta["runtime"] == "litert"
    _check_rankings(folder)

    # What is missing is made again, and nothing else; the same scores come of it.
    shutil.rmtree(folder / "retrieval")
    trained = (folder / "run" / "config.yaml").stat().st_mtime_ns
    assert demo.main(arguments) == 0
    captured = capsys.readouterr()
    assert "embed: already done" in captured.err and "retrieve: already done" not in captured.err
    assert (folder / "run" / "config.yaml").stat().st_mtime_ns == trained
    assert captured.out.split("stage")[0].split()[-12:] == first.split("stage")[0].split()[-12:]


def _check_rankings(folder: Path) -> None:
    """Each preset ranked every test photo, and the scores are those of the solution."""
    with open(folder / "gldv2/metadata/test.csv", newline="") as file:
        queries = {row["id"] for row in csv.DictReader(file)}
    with open(folder / "gldv2/metadata/index.csv", newline="") as file:
        index = {row["id"] for row in csv.DictReader(file)}
    for preset in demo.RANKINGS:
        with open(folder / f"retrieval/{preset}/submission.csv", newline="") as file:
            rows = {row["id"]: row["images"].split() for row in csv.DictReader(file)}
        assert set(rows) == queries
        assert all(len(set(images)) == len(images) for images in rows.values())
        assert all(set(images) <= index for images in rows.values())
    scores = json.loads((folder / "scores.json").read_text())
    assert set(scores["map@100"]) == set(demo.RANKINGS)
    assert all(0 < value <= 1 for value in scores["map@100"].values())
