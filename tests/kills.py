"""Commands that are killed or stopped at random moments, resumed, and compared with others."""

import collections
import contextlib
import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import waiting

from tfrecords_tools.command.stopping import STOPPED

_POLL_SECONDS = 0.005
# Of the kills that come after the first write.
_SHARE_WRITING = 0.8


@dataclasses.dataclass(frozen=True)
class Way:
    """How a process is ended.

    Attributes:
        number: The signal.
        group: Whether the whole group gets it, as from a terminal or a container, or the command's
            own process only, as from a scheduler.
    """

    number: signal.Signals
    group: bool

    def __str__(self) -> str:
        return f"{self.number.name} to the {'group' if self.group else 'process'}"


WAYS = (
    Way(signal.SIGKILL, group=True),
    Way(signal.SIGKILL, group=False),
    Way(signal.SIGTERM, group=True),
    Way(signal.SIGTERM, group=False),
    Way(signal.SIGINT, group=True),
)


@dataclasses.dataclass(frozen=True)
class Work:
    """A command whose output must not depend on how often it was killed.

    Attributes:
        name: What tables call it.
        command: From the output folder to module and flags.
        compare: Raises AssertionError unless two outputs are the same; expected, found.
        resumes: Whether the command reports, when it is stopped, that it resumes.
        prepare: Makes what the output folder must hold before the command starts.
    """

    name: str
    command: Callable[[Path], Sequence[object]]
    compare: Callable[[Path, Path], None]
    resumes: bool = True
    prepare: Callable[[Path], None] | None = None


@dataclasses.dataclass
class Campaign:
    """What was done.

    Attributes:
        name: The work's.
        kills: Processes that were killed while they ran.
        after_first_write: How many of them had themselves written something by then.
        finished: Times that the command then ran to its end, each the same as undisturbed.
        seconds: What an undisturbed run took.
        outcomes: How often a way of ending it led to which exit code.
    """

    name: str
    kills: int = 0
    after_first_write: int = 0
    finished: int = 0
    seconds: float = 0.0
    outcomes: collections.Counter = dataclasses.field(default_factory=collections.Counter)


def campaign(
    work: Work,
    folder: Path,
    kills: int,
    in_a_row: int,
    seed: int,
    ways: Sequence[Way] = WAYS,
) -> Campaign:
    """Kills the command `kills` times, at most `in_a_row` times before it may finish.

    After each time, no process of its group may remain, and a stopped command must end without a
    traceback and with a documented exit code. Four of five moments are drawn evenly from the time
    in which the process writes, after its first write, for as long as a busy machine takes. The
    others lie anywhere before.

    Args:
        work: What to run.
        folder: An empty folder to work in.
        kills: How many processes are to be killed while they run.
        in_a_row: How often one output is disturbed.
        seed: Of the moments.
        ways: How it is killed, in turn.
    """
    generator = np.random.default_rng(seed)
    expected = folder / "expected"
    _prepare(work, expected)
    first_write, end = _undisturbed(work, expected)
    done = Campaign(work.name, seconds=end)
    while done.kills < kills:
        output = folder / f"killed_{done.finished}"
        _prepare(work, output)
        for _ in range(min(in_a_row, kills - done.kills)):
            writing = generator.random() < _SHARE_WRITING
            moment = generator.uniform(0, end - first_write if writing else first_write)
            before = _written(output)
            way = ways[done.kills % len(ways)]
            code = _killed(work, output, moment, before if writing else None, way)
            if code is None:
                break
            done.outcomes[f"{way}: {code}"] += 1
            done.kills += 1
            # What an earlier one left does not count: has this one come to write?
            done.after_first_write += _written(output) != before
        _finish(work, output)
        work.compare(expected, output)
        done.finished += 1
        shutil.rmtree(output)
    return done


def _prepare(work: Work, output: Path) -> None:
    if work.prepare is not None:
        work.prepare(output)


def _start(work: Work, output: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", *map(str, work.command(output))]
    # A session of its own, so that its worker processes die with it.
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _undisturbed(work: Work, output: Path) -> tuple[float, float]:
    """Seconds to the first file and to the end."""
    before = _written(output)
    began, first = time.monotonic(), None
    process = _start(work, output)
    while process.poll() is None:
        if first is None and _written(output) != before:
            first = time.monotonic() - began
        time.sleep(_POLL_SECONDS)
    assert process.returncode == 0, process.stderr.read()
    end = time.monotonic() - began
    return first if first is not None else end, end


def _written(output: Path) -> set[tuple[str, int, int]]:
    """Files of an output with their lengths and times; also of the hidden folder it may become."""
    found = set()
    for top in [output, *output.parent.glob(f".{output.name}.*")]:
        for folder, _, names in os.walk(top):
            for path in (os.path.join(folder, name) for name in names):
                with contextlib.suppress(FileNotFoundError):  # Renamed just now.
                    status = os.stat(path)
                    found.add((path, status.st_size, status.st_mtime_ns))
    return found


def _killed(work: Work, output: Path, moment: float, written: set | None, way: Way) -> int | None:
    """Ends a process that many seconds after it began, or after `written` is no longer all.

    Returns:
        Its exit code; None if it had finished before.
    """
    process = _start(work, output)
    while written is not None and process.poll() is None and _written(output) == written:
        time.sleep(_POLL_SECONDS)
    try:
        _, errors = process.communicate(timeout=moment)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, way.number) if way.group else process.send_signal(way.number)
        # Workers hold standard error as well: it closes when the last one has ended.
        _, errors = process.communicate()
        waiting.wait_for(lambda: waiting.session_has_ended(process.pid))
        if process.returncode:
            _require_a_proper_end(work, way, process.returncode, errors)
            return process.returncode
    assert process.returncode == 0, errors
    return None  # Also if the signal came too late.


def _require_a_proper_end(work: Work, way: Way, code: int, errors: str) -> None:
    """Asserts that a process ended as documented; before and after its work, signals end it."""
    if way.number == signal.SIGKILL:
        assert code == -way.number, f"{work.name}, {way}: exit code {code}; {errors}"
        return  # Orphaned workers may say why they end.
    stopped = STOPPED if work.resumes else 128 + way.number
    assert code in (-way.number, stopped), f"{work.name}, {way}: exit code {code}; {errors}"
    if code == -signal.SIGINT and "cli.py" not in errors:
        return  # Python itself reports Ctrl-C where it still imports the command.
    assert not re.search("Traceback|Exception|Error", errors), f"{work.name}, {way}: {errors}"


def _finish(work: Work, output: Path) -> None:
    process = _start(work, output)
    _, errors = process.communicate()
    assert process.returncode == 0, errors


def same_files(without: Sequence[str] = ()) -> Callable[[Path, Path], None]:
    """Compares two folders byte by byte, except for files of some names, which both must have."""

    def compare(expected: Path, found: Path) -> None:
        one, other = _contents(expected), _contents(found)
        assert sorted(one) == sorted(other), set(one) ^ set(other)
        different = [
            name
            for name in one
            if one[name] != other[name] and os.path.basename(name) not in without
        ]
        assert not different, different

    return compare


def _contents(folder: Path) -> dict[str, bytes]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}
