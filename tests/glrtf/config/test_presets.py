import dataclasses
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from documented import ROOT
from every_command import COMMANDS

from glrtf.commands import plan, train
from glrtf.config.presets import find_config, with_named_config
from glrtf.config.training import TrainConfig
from tfrecords_tools.command import cli
from tfrecords_tools.errors import UserError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "v2s_96.yaml").write_text("epochs: 3\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "argv",
    [
        ["--backbone", "v2s", "--size", "96"],
        ["--size=96", "--backbone=v2s"],
        ["--size=96", "--backbone=EfficientNetV2-S"],
    ],
)
def test_the_pair_names_the_file(folder: Path, argv: list[str]) -> None:
    assert find_config(argv) == "configs/v2s_96.yaml"


@pytest.mark.parametrize(
    "argv",
    [
        ["--backbone", "v2s", "--size", "64"],
        ["--backbone", "v2s", "--size", "96", "--config", "own.yaml"],
        ["--backbone", "../configs/v2s", "--size", "64"],
        ["--size"],
        [],
    ],
)
def test_none_without_a_preset_file(folder: Path, argv: list[str]) -> None:
    assert find_config(argv) is None


def test_a_name_cannot_leave_the_folder(folder: Path) -> None:
    (folder / "evil_96.yaml").write_text("epochs: 1\n")
    assert find_config(["--backbone", "../evil", "--size", "96"]) is None


def test_an_installed_package_has_them_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel carries every file of configs/ to where it is looked for."""
    import configparser

    from glrtf.config import presets

    root = Path(presets.__file__).parents[2]
    setup = configparser.ConfigParser()
    setup.read(root / "setup.cfg")
    [(target, pattern)] = setup["options.data_files"].items()
    assert presets._FOLDERS[-1] == Path(sys.prefix) / target
    assert {path.name for path in root.glob(pattern)} >= {"v2m_640.yaml", "sample.yaml"}


FOR_TPUS = sorted(path.stem for path in (ROOT / "configs").glob("*e-[0-9].yaml"))


def settings(name: str) -> TrainConfig:
    return TrainConfig(**yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text()))


def test_a_preset_is_chosen_by_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for given in (["--config", "v2s_96"], ["--config=v2s_96"]):
        assert "=".join(with_named_config(given)) == "--config=configs/v2s_96.yaml"
    found = []
    monkeypatch.setattr(train, "run_train", found.append)
    monkeypatch.setattr(plan, "run_plan", found.append)
    for command in (train, plan):
        assert command.main(["--config", "v2s_96", "--backbone=v2s"]) == 0
        # Those that the project brings are found from any folder.
        assert command.main(["--config", "v2m_640_v5e-1", "--epochs", "4"]) == 0
    assert [(c.epochs, c.batch_size) for c in found] == [(3, 36), (4, 768)] * 2


@pytest.mark.parametrize(
    "value", ["", "size: 64", "v2s_95", "v2s_96.yaml", "../configs/v2s_96", "x" * 5000]
)
def test_other_values_of_config_stay(folder: Path, value: str) -> None:
    assert with_named_config(["--config", value, "--epochs"]) == ["--config", value, "--epochs"]
    assert with_named_config(["--size", "v2s_96", "--config"]) == ["--size", "v2s_96", "--config"]


def test_a_file_of_that_name_comes_first(folder: Path) -> None:
    (folder / "v2s_96").write_text("epochs: 5\n")
    assert with_named_config(["--config", "v2s_96"]) == ["--config", "v2s_96"]


def test_a_name_that_no_preset_has_is_an_error(folder: Path, capsys) -> None:
    assert train.main(["--config", "v2s_96_v5e-8"]) == 2
    assert "--config v2s_96_v5e-8: expected a YAML file of settings, found none" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("name", [n for n in FOR_TPUS if not n.startswith("v2s_384")])
def test_a_preset_for_a_tpu_trains_as_the_published_settings(name: str) -> None:
    """An update of all chips has the images and the rate of eight cores of the publication."""
    published, _, tpu = name.rpartition("_")
    chips = int(tpu[-1])
    expected, found = settings(published), settings(name)
    assert found.batch_size * chips == expected.batch_size * 8
    assert found.batch_size % found.accumulation_steps == 0
    assert found.peak_learning_rate(chips) == pytest.approx(expected.peak_learning_rate(8))
    same = {"batch_size": 1, "accumulation_steps": 1, "learning_rate": 1.0}
    assert dataclasses.replace(found, **same) == dataclasses.replace(expected, **same)


@pytest.mark.parametrize(
    ("notebook", "preset"), [("kaggle_tpu", "v2s_384_v5e-8"), ("colab_tpu", "v2s_384_v5e-1")]
)
def test_the_notebooks_train_as_their_presets(notebook: str, preset: str) -> None:
    cells = json.loads((ROOT / "notebooks" / f"{notebook}.ipynb").read_text())["cells"]
    [source] = [
        "".join(c["source"]) for c in cells if "parameters" in c["metadata"].get("tags", [])
    ]
    given: dict[str, Any] = {}
    exec(source, given)
    found, expected = TrainConfig(**given["TRAINING"]), settings(preset)
    assert found.peak_learning_rate(given["CHIPS"]) == pytest.approx(expected.learning_rate)
    assert dataclasses.replace(found, learning_rate=expected.learning_rate) == expected


def test_the_presets_for_tpus_are_those_of_the_page() -> None:
    rows = re.findall(
        r"^\| `(\w+)_(v[\de]+-\d)` \| (\d+) \| (\d+) \|",
        (ROOT / "docs" / "plan.md").read_text(),
        re.MULTILINE,
    )
    assert sorted(f"{model}_{tpu}" for model, tpu, *_ in rows) == FOR_TPUS
    for model, tpu, micro_batch, steps in rows:
        found = settings(f"{model}_{tpu}")
        assert (found.micro_batch, found.accumulation_steps) == (int(micro_batch), int(steps))


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_an_empty_command_line_is_taken_or_answered(command, tmp_path, monkeypatch) -> None:
    """Whatever is typed first: the settings, or a line that says what is missing."""
    monkeypatch.chdir(tmp_path)
    default = command.default_config([]) if command.default_config else None
    try:
        found = cli.parse(
            command.config_class,
            [],
            prog=command.name,
            positional=command.positional,
            default_config=default,
        )
    except UserError as error:
        assert str(error).endswith("; see --help")
    else:
        assert isinstance(found, command.config_class)


def test_training_begins_without_any_argument(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    begun = []
    monkeypatch.setattr(train, "run_train", begun.append)
    assert train.main([]) == 0
    assert begun == [TrainConfig()]
