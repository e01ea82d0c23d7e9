import sys
from pathlib import Path

import pytest
from every_command import COMMANDS

from glrtf.commands import train
from glrtf.config.presets import find_config
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
