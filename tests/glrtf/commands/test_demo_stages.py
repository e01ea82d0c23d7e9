from collections.abc import Callable
from pathlib import Path

import pytest

from glrtf.commands.demo_stages import Stages
from tfrecords_tools.errors import UserError


def _writer(folder: Path, name: str, log: list[str]) -> Callable[[], None]:
    def work() -> None:
        log.append(name)
        (folder / name).mkdir()
        (folder / name / "product").write_text(name)

    return work


def _run(folder: Path, log: list[str], settings: int = 1) -> Stages:
    stages = Stages(str(folder))
    for name in ("a", "b", "c"):
        stages.run(name, [name, settings], [name], _writer(folder, name, log))
    return stages


def test_every_stage_is_done_once_and_its_seconds_are_kept(tmp_path: Path) -> None:
    log: list[str] = []
    first = _run(tmp_path, log).seconds
    assert log == ["a", "b", "c"]
    assert _run(tmp_path, log).seconds == first
    assert log == ["a", "b", "c"]
    assert list(first) == ["a", "b", "c"]


def test_a_missing_product_is_made_again_and_so_is_what_came_of_it(tmp_path: Path) -> None:
    log: list[str] = []
    _run(tmp_path, log)
    (tmp_path / "b" / "product").unlink()
    (tmp_path / "b").rmdir()
    _run(tmp_path, log)
    assert log == ["a", "b", "c", "b", "c"]


def test_a_killed_stage_goes_on_and_keeps_what_it_had(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "half").write_text("written before the kill")

    def go_on() -> None:
        assert (tmp_path / "a" / "half").exists()

    stages = Stages(str(tmp_path))
    stages.run("a", [], ["a"], go_on)
    assert list(Stages(str(tmp_path))._record) == ["a"]


def test_a_failed_stage_is_not_recorded(tmp_path: Path) -> None:
    def fail() -> None:
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError):
        Stages(str(tmp_path)).run("a", [], [], fail)
    assert not (tmp_path / "stages.json").exists()


def test_other_settings_are_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    log: list[str] = []
    _run(tmp_path, log)
    with pytest.raises(UserError, match="'a' with these settings"):
        _run(tmp_path, log, settings=2)
    assert (tmp_path / "c" / "product").read_text() == "c"
