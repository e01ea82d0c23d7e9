"""Which weights a new run may start from, and the messages about them."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from shard_writing import write_split

from glrtf.config.distillation import DistillConfig
from glrtf.config.training import TrainConfig
from glrtf.config.weights import AUTOML_BACKBONES, published_weights
from glrtf.embeddings.embedding_set import finish, write_part
from glrtf.training.required import require_inputs
from tfrecords_tools.command import cli
from tfrecords_tools.errors import UserError

ROOT = Path(__file__).parents[3]
# Without those for a TPU, such as v2m_640_v5e-8.yaml, which repeat them.
PUBLISHED = [path for path in sorted((ROOT / "configs").glob("v2*.yaml")) if "e-" not in path.stem]


@pytest.fixture
def shards(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_split(tmp_path / "shards" / "train", [2])
    return str(tmp_path / "shards")


def published(name, *argv):
    return cli.parse(TrainConfig, [f"--config={ROOT}/configs/{name}", *argv], prog="train")


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.name)
def test_the_published_settings_name_their_weights(path):
    settings = yaml.safe_load(path.read_text())
    assert settings["backbone"] in AUTOML_BACKBONES
    assert settings["weights"] == f"weights/{settings['backbone']}_21k.npz"
    assert cli.parse(TrainConfig, [f"--config={path}"], prog="train").weights.endswith("_21k.npz")


def test_there_are_six_published_settings():
    assert len(PUBLISHED) == 6


def test_missing_weights_are_reported_with_how_they_are_made(shards):
    with pytest.raises(UserError, match=r"--output weights/v2xl_21k\.npz$"):
        require_inputs(published("v2xl_640.yaml", f"--data={shards}"))
    with pytest.raises(UserError, match="or give --weights imagenet, which is fetched from Keras"):
        require_inputs(published("v2s_800.yaml", f"--data={shards}"))


def test_random_weights_under_the_published_rate_are_noted(shards, capsys):
    require_inputs(published("v2m_640.yaml", f"--data={shards}", "--weights=none"))
    said = capsys.readouterr().err
    assert said.startswith("note: --weights none: the learning rate (5e-6 an image) and 15 epochs")
    assert said.count("\n") == 1
    require_inputs(TrainConfig(data=shards, learning_rate=1e-3))
    require_inputs(TrainConfig(data=shards, weights="imagenet"))
    assert capsys.readouterr().err == ""


def test_weights_that_are_there_are_taken(shards, tmp_path, capsys):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "v2m_21k.npz").write_bytes(b"")
    require_inputs(published("v2m_640.yaml", f"--data={shards}"))
    assert capsys.readouterr().err == ""


def test_a_started_run_no_longer_needs_its_first_weights(shards, monkeypatch):
    monkeypatch.setattr("glrtf.training.checkpoints.list_all", lambda folder: ["a checkpoint"])
    require_inputs(published("v2m_640.yaml", f"--data={shards}"))


def test_the_sample_and_another_runs_weights_take_the_place_of_the_published_ones(shards):
    settings = published("v2m_640.yaml")
    require_inputs(settings)
    assert settings.weights == published_weights("v2m")
    assert settings.for_sample(shards).weights == "none"
    assert published("v2m_640.yaml", "--init_from=runs/a").weights == "none"
    assert TrainConfig(weights="own.npz").for_sample(shards).weights == "own.npz"


@pytest.mark.parametrize("name", ["V2M", "v2-m", "efficientnetv2-m", "EfficientNetV2M", "v2m"])
def test_a_backbone_goes_by_its_usual_names(name):
    assert TrainConfig(backbone=name).backbone == "v2m"


@pytest.mark.parametrize("name", ["m", "b0", "efficientnet-b0", "efficientnetv2", ""])
def test_another_network_is_no_backbone(name):
    with pytest.raises(ValueError, match="backbone: expected one of v2s, v2m"):
        TrainConfig(backbone=name)


def test_rows_to_learn_from_are_looked_at_first(shards, tmp_path):
    def config(rows, **settings):
        learned = DistillConfig(rows=rows, **settings)
        return TrainConfig(data=shards, workdir=str(tmp_path / "run"), distill=learned)

    with pytest.raises(UserError, match=r"--distill\.rows none: expected a folder, found none"):
        require_inputs(config("none"))
    (tmp_path / "half").mkdir()
    with pytest.raises(UserError, match=r"half: expected an embedding set, found no"):
        require_inputs(config(str(tmp_path / "half")))
    write_part(str(tmp_path / "rows"), 0, 1, np.array([[1.0, 0.0]], np.float32), ["a"])
    finish(str(tmp_path / "rows"), 1, model="teacher")
    require_inputs(config(str(tmp_path / "rows")))
    with pytest.raises(UserError, match=r"--distill\.projection: expected learned for rows of 2"):
        require_inputs(config(str(tmp_path / "rows"), projection="pca"))
    wide = str(tmp_path / "wide")
    write_part(wide, 0, 1, np.array([[1.0, 0.0, 0.0]], np.float32), ["b"])
    finish(wide, 1, model="teacher")
    extra = {"extra_data": [str(write_split(tmp_path / "index", [2], "index"))]}
    with pytest.raises(UserError, match=r"wide: expected rows of 2 numbers as --distill\.rows"):
        require_inputs(config(str(tmp_path / "rows"), **extra, extra_rows=[wide]))
    other = str(tmp_path / "other")
    write_part(other, 0, 1, np.array([[1.0, 0.0]], np.float32), ["b"])
    finish(other, 1, model="another")
    with pytest.raises(
        UserError, match=r"--distill\.extra_rows .*other: expected .* another model's"
    ):
        require_inputs(config(str(tmp_path / "rows"), **extra, extra_rows=[other]))
