"""Every command that writes, one for each, on a full disk and on a read-only one.

Each is run undisturbed first, to know what it writes and how much that is.
`test_full_disk.py` covers the long ones in more detail.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
from retrieval_files import SOLUTION, jpeg, write_retrieval, write_source
from shard_writing import photo
from small_disk import files_on, leave_free, make_read_only, make_room, make_writable, used_kib
from tiny_gldv2 import write_train
from tuning_files import write_inputs

from glrtf.commands import ablate, evaluate, prepare_revisited, report, tune, whiten
from tfrecords_tools import arrange, build, check, stats
from tfrecords_tools.sample import draw as sample

Command = tuple[Callable[[Sequence[str]], int], list[str]]


def _flags(**given: object) -> list[str]:
    return [f"--{name}={value}" for name, value in given.items()]


def _arrange(inputs: Path, out: Path) -> Command:
    (inputs / "photos").mkdir()
    for number in range(3):
        (inputs / "photos" / f"{number}.jpg").write_bytes(photo(number))
    (inputs / "table.csv").write_text("photo,landmark\n0.jpg,a\n1.jpg,b\n2.jpg,\n")
    return arrange.main, _flags(photos=inputs / "photos", table=inputs / "table.csv", output=out)


def _sample(inputs: Path, out: Path) -> Command:
    return sample.main, _flags(output=out, num_landmarks=6, processes=1)


def _build(inputs: Path, out: Path) -> Command:
    write_train(inputs / "gldv2", 24)
    more = _flags(num_shards=2, workers=1, splits='["train"]')
    return build.main, [*_flags(source=inputs / "gldv2", output=out), *more]


def _built(inputs: Path) -> str:
    command, flags = _build(inputs, inputs / "shards")
    assert command(flags) == 0
    return str(inputs / "shards")


def _check(inputs: Path, out: Path) -> Command:
    return check.main, [_built(inputs), "--sample=4", f"--sheet={out / 'sheet.png'}"]


def _stats(inputs: Path, out: Path) -> Command:
    return stats.main, [_built(inputs), f"--curve={out / 'curve.png'}"]


def _whiten(inputs: Path, out: Path) -> Command:
    write_inputs(inputs)
    sets = _flags(train=inputs / "train", query=inputs / "test", index=inputs / "index")
    return whiten.main, [*sets, *_flags(output=out, dimension=5)]


def _tune(inputs: Path, out: Path) -> Command:
    given = _flags(solution=inputs / "solution.csv", output=out, trials=3)
    return tune.main, [*write_inputs(inputs), *given]


def _ablate(inputs: Path, out: Path) -> Command:
    given = _flags(solution=inputs / "solution.csv", output=out, resamples=20)
    return ablate.main, [*write_inputs(inputs), *given]


def _evaluate(inputs: Path, out: Path) -> Command:
    write_retrieval(inputs / "retrieval")
    (inputs / "solution.csv").write_text(SOLUTION)
    result = _flags(json=out / "result.json", per_query=out / "result.csv", resamples=20)
    return evaluate.main, [str(inputs / "retrieval"), str(inputs / "solution.csv"), *result]


def _report(inputs: Path, out: Path) -> Command:
    write_source(inputs / "source")
    write_retrieval(inputs / "retrieval")
    given = _flags(retrieval=inputs / "retrieval", source=inputs / "source", output=out)
    return report.main, [*given, f"--solution={inputs / 'source' / 'metadata' / 'solution.csv'}"]


def _revisited(inputs: Path, out: Path) -> Command:
    marked = {"easy": [0], "hard": [], "junk": [], "bbx": [0, 0, 40, 30]}
    truth = {"imlist": ["one", "two"], "qimlist": ["asked"], "gnd": [marked]}
    (inputs / "gnd.json").write_text(json.dumps(truth))
    for name in ("one", "two", "asked"):
        (inputs / f"{name}.jpg").write_bytes(jpeg(80, 60, (9, 90, 99)))
    return prepare_revisited.main, [str(inputs / "gnd.json"), str(inputs), str(out)]


WRITERS = (
    *(_arrange, _sample, _build, _check, _stats, _whiten),
    *(_tune, _ablate, _evaluate, _report, _revisited),
)


def _contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files_on(folder)}


def _assert_refused(code: int, error: str, reason: str, disk: Path) -> None:
    assert code == 2, error
    last = error.splitlines()[-1]
    assert reason in last and str(disk) in last and "Traceback" not in error


@pytest.mark.parametrize("prepare", WRITERS, ids=lambda each: each.__name__[1:])
def test_a_read_only_disk_and_a_full_one(disk, tmp_path, capfd, monkeypatch, prepare):
    monkeypatch.setattr(sample, "_draw_all", _once(sample._draw_all))
    (tmp_path / "inputs").mkdir()
    out = disk / "out"
    command, flags = prepare(tmp_path / "inputs", out)
    make_read_only(disk)
    code = command(flags)
    _assert_refused(code, capfd.readouterr().err, "Read-only file system", disk)
    assert not files_on(disk)

    make_writable(disk)
    assert command(flags) == 0, capfd.readouterr().err
    needed, expected = used_kib(disk), _contents(disk)
    again = command(flags) == 0 and _contents(disk) == expected
    capfd.readouterr()

    for free in sorted({0, needed // 2, needed - 4}):
        _clear(disk)
        leave_free(disk, free)
        code = command(flags)
        _assert_refused(code, capfd.readouterr().err, "No space left on device", disk)
        assert not [name for name in files_on(disk) if ".partial" in name]
        make_room(disk)
        assert command(flags) == 0, capfd.readouterr().err
        found = _contents(disk)
        assert _without_cache(found) == _without_cache(expected)
        assert found == expected or not again


def _without_cache(names: Iterable[str]) -> list[str]:
    """A study that goes on draws other trials, and so other searches, than one left alone."""
    return [name for name in names if "/cache/" not in name]


def _once(draw: Callable) -> Callable:
    """Photos take long to draw, and are the same each time."""
    drawn: list = []

    def draw_once(*arguments):
        if not drawn:
            drawn.append(draw(*arguments))
        return drawn[0]

    return draw_once


def _clear(disk: Path) -> None:
    for path in disk.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
