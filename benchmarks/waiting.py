"""What users wait for: this build against an earlier one, whole processes in turns.

    python benchmarks/waiting.py --before OLD/.venv/bin/python --demo runs/demo
        [--only search mistake serve] [--rounds 5]

OLD is a checkout of the earlier build with an environment of its own; `--demo` names a finished
demonstration of this build, whose model has a LiteRT copy (the earlier build does not look at
it). search: `glrtf search` of one photo of the test set, the index's work done before. mistake:
a wrong path, by several commands. serve: from the start to the first answer, then the median
time of an answer with 8 clients. Printed are medians of the rounds: CPU seconds of the process
and its children, wall seconds, peak memory of its largest process. On a machine that does other
work only the CPU seconds and their ratios mean something.
"""

import argparse
import dataclasses
import http.client
import io
import itertools
import os
import re
import signal
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

CLIENTS, ANSWERS = 8, 12
_BOUNDARY = "photo-boundary"
_MISTAKES = (
    "train --data none",
    "export --workdir none",
    "embed --model none --data none --output new",
    "search none.jpg --model none --index none",
    "serve --model none --index none",
    "plan --json .",
    "report --retrieval none --solution none --source none --output new",
)


@dataclasses.dataclass(frozen=True)
class Spent:
    """What a process took; seconds, and bytes at its peak."""

    cpu: float
    wall: float
    memory: int


def run(command: Sequence[str], folder: str, code: int = 0) -> Spent:
    """Runs a command to its end.

    Args:
        command: The command.
        folder: The working directory.
        code: The exit code that is expected.
    """
    began = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != code:
            output.seek(0)
            raise SystemExit(f"{' '.join(command)}: {output.read()[-2000:].decode()}")
    cpu = usage.ru_utime + usage.ru_stime
    return Spent(cpu, time.monotonic() - began, usage.ru_maxrss * 1024)


class Service:
    """A running `glrtf serve`.

    Args:
        command: The command, with ``--port=0``.
        folder: The working directory.
    """

    def __init__(self, command: Sequence[str], folder: str) -> None:
        self._process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        said = []
        for line in self._process.stderr:
            said.append(line)
            if found := re.search(r"http://127\.0\.0\.1:(\d+)/", line):
                self._port = int(found[1])
                break
        else:
            raise SystemExit("".join(said))
        threading.Thread(target=self._process.stderr.read, daemon=True).start()

    def answer(self, photo: bytes) -> None:
        """Sends a photo and waits for its answer."""
        head = (
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n\r\n'
        )
        body = head.encode() + photo + f"\r\n--{_BOUNDARY}--\r\n".encode()
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        kind = f"multipart/form-data; boundary={_BOUNDARY}"
        connection.request("POST", "/search", body, {"Content-Type": kind})
        response = connection.getresponse()
        content = response.read()
        connection.close()
        if response.status != 200:
            raise SystemExit(f"serve answered {response.status}: {content[:500].decode()}")

    def median_answer(self, photos: Sequence[bytes]) -> float:
        """The median time of an answer, seconds, with `CLIENTS` that each send the next at once."""
        taken: list[float] = []

        def client(number: int) -> None:
            for photo in itertools.islice(itertools.cycle(photos), number, number + ANSWERS):
                began = time.monotonic()
                self.answer(photo)
                taken.append(time.monotonic() - began)

        threads = [threading.Thread(target=client, args=(n,)) for n in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if len(taken) < CLIENTS * ANSWERS:
            raise SystemExit("serve: a client got no answer")
        return statistics.median(taken)

    def cpu_seconds(self) -> float:
        """What the process has worked so far, and those of its children that have ended."""
        text = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2]
        return sum(map(int, text.split()[11:15])) / os.sysconf("SC_CLK_TCK")

    def peak_memory(self) -> int:
        """Bytes."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        [kilobytes] = re.findall(r"VmHWM:\s+(\d+)", status)
        return int(kilobytes) * 1024

    def stop(self) -> None:
        """Ends it."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()


class Waits:
    """The measurements, each of one build.

    Args:
        demo: A finished demonstration's folder.
        cache: Where each build keeps what it works out for the index.
    """

    def __init__(self, demo: Path, cache: Path) -> None:
        self._demo, self._cache = demo, cache
        self._photos = list(itertools.islice(_photos(demo / "gldv2/test"), 16))
        self._photo = str(cache / "photo.jpg")
        Path(self._photo).write_bytes(self._photos[0])

    def search(self, python: str, build: str) -> list[Spent]:
        """`glrtf search` of one photo, again."""
        command = [python, "-m", "glrtf.search", self._photo, *self._sets(build)]
        if not (self._cache / build).exists():
            run(command, str(self._cache))
        return [run(command, str(self._cache))]

    def mistake(self, python: str, _: str) -> list[Spent]:
        """Wrong paths: the slowest command's."""
        spent = []
        for line in _MISTAKES:
            name, *arguments = line.split()
            command = [python, "-m", f"glrtf.{name}", *arguments]
            spent.append(run(command, str(self._cache), code=2))
        return [max(spent, key=lambda each: each.cpu)]

    def serve(self, python: str, build: str) -> list[Spent]:
        """From the start to the first answer; then an answer among those of 8 clients."""
        began = time.monotonic()
        command = [python, "-m", "glrtf.serve", "--port=0", *self._sets(build)]
        service = Service(command, str(self._cache))
        try:
            service.answer(self._photos[0])
            wall, cpu = time.monotonic() - began, service.cpu_seconds()
            first = Spent(cpu, wall, service.peak_memory())
            median = service.median_answer(self._photos)
            each = (service.cpu_seconds() - cpu) / (CLIENTS * ANSWERS)
            return [first, Spent(each, median, service.peak_memory())]
        finally:
            service.stop()

    def _sets(self, build: str) -> list[str]:
        places = {
            "model": "model",
            "index": "embeddings/index",
            "train": "embeddings/train",
            "landmarks": "gldv2/metadata/train.csv",
        }
        flags = [f"--{name}={self._demo / place}" for name, place in places.items()]
        return [*flags, f"--cache={self._cache / build}"]


_ROWS = {
    "search": ("search, second call",),
    "mistake": ("a wrong path",),
    "serve": ("serve to its first answer", f"an answer, {CLIENTS} clients"),
}


def _photos(folder: Path) -> "itertools.chain[bytes]":
    """The photos in a split's tars."""
    return itertools.chain.from_iterable(map(_members, sorted(folder.glob("*.tar"))))


def _members(path: Path) -> list[bytes]:
    tar = tarfile.open(path)  # noqa: SIM115
    with tar:
        files = [tar.extractfile(each) or io.BytesIO() for each in tar if each.isfile()]
        return [file.read() for file in files]


def table(
    measure: Callable[[str, str], list[Spent]],
    names: Sequence[str],
    builds: dict[str, str],
    rounds: int,
) -> None:
    """Measures both builds in turns and prints a line for each name."""
    found: dict[str, list[list[Spent]]] = {build: [] for build in builds}
    for _ in range(rounds):
        for build, python in builds.items():
            found[build].append(measure(python, build))
    for place, name in enumerate(names):
        before, after = (
            Spent(*(statistics.median(column) for column in zip(*rows, strict=True)))
            for rows in (
                [dataclasses.astuple(each[place]) for each in found[build]] for build in builds
            )
        )
        print(
            f"{name:<26} {before.cpu:8.2f} {after.cpu:8.2f} {after.cpu / before.cpu:6.2f}"
            f" {before.wall:9.2f} {after.wall:8.2f} {after.wall / before.wall:6.2f}"
            f" {before.memory / 1e6:9.0f} {after.memory / 1e6:6.0f}",
            flush=True,
        )


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--before", required=True, help="Python of the earlier build")
    parser.add_argument("--demo", required=True, type=Path, help="a finished demonstration")
    parser.add_argument("--only", nargs="+", choices=_ROWS, default=list(_ROWS))
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    builds = {"before": os.path.abspath(given.before), "after": sys.executable}
    with tempfile.TemporaryDirectory() as cache:
        waits = Waits(given.demo.resolve(), Path(cache))
        print(f"{'':<26} {'CPU s':>8} {'now':>8} {'ratio':>6} {'wall s':>9} {'now':>8} {'ratio':>6}"
              f" {'peak MB':>9} {'now':>6}")  # fmt: skip
        for name in given.only:
            table(getattr(waits, name), _ROWS[name], builds, given.rounds)


if __name__ == "__main__":
    main()
