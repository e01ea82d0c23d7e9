"""Memory of a training step according to the TPU compiler."""

import dataclasses
import datetime
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from glrtf.planning.accelerators import Slice
from tfrecords_tools.errors import UserError
from tfrecords_tools.progress import format_seconds
from tfrecords_tools.storage import files, json_shapes

# The versions that produced the figures of docs/plan.md.
COMPILER_PACKAGES = "jax==0.10.2 libtpu==0.0.52"
_ROOT = str(Path(__file__).parents[2])
# How a compiler says what does not fit: libtpu 0.0.52, and earlier ones.
_NEEDED = re.compile(r"\(([\d.]+)G\) exceeds available HBM|Used ([\d.]+)G of [\d.]+G")
_SECONDS_BETWEEN_LINES = 30.0
_LINES_OF_A_REFUSAL = 40
_DURATION = "one to ten minutes on two idle cores"

# The smallest slice of each generation; memory per device is the same on all.
_TOPOLOGIES = {
    "v2": "v2:2x2",
    "v3": "v3:2x2",
    "v4": "v4:2x2x1",
    "v5e": "v5e:2x2",
    "v5p": "v5p:2x2x1",
    "v6e": "v6e:2x2",
    "v7x": "tpu7x:2x2x1",
}


@dataclasses.dataclass(frozen=True)
class Compiled:
    """The compiler's result.

    Attributes:
        peak_bytes: Memory of arguments and temporary values on a device, which is at least the most
            in use at once (in results of before machine code was left out: that); None if refused.
        refusal: The compiler's memory table if the program does not fit.
        seconds: Duration of the compilation.
        cpu_seconds: Processor time of it, over all threads; None in older results.
        compiler: Versions of jax and libtpu.
        date: When, as YYYY-MM-DD.
        flops: Of an update of one device as XLA counts them; None in older results.
        bytes_accessed: As `flops`, of its memory.
        collectives: How many operations of the program cross devices, by kind.
        collectives_in_loops: How many of these are inside loops, such as that over micro-batches;
            None where that was not counted.
    """

    peak_bytes: int | None
    refusal: str
    seconds: float
    compiler: str
    date: str
    flops: float | None = None
    bytes_accessed: float | None = None
    collectives: Mapping[str, int] = dataclasses.field(default_factory=dict)
    collectives_in_loops: Mapping[str, int] | None = None
    cpu_seconds: float | None = None

    @property
    def needed_gib(self) -> float | None:
        """What a refused program would need, as far as the refusal says it."""
        found = _NEEDED.search(self.refusal)
        return float(found[1] or found[2]) if found else None


class _Memory(TypedDict):
    """The compiler's memory statistics that are read."""

    peak_memory_in_bytes: int


class _Required(TypedDict):
    seconds: float
    jax: str
    libtpu: str
    date: str


class _Answer(_Required, total=False):
    """The content of a cache file: `memory`, or `refused` if the program does not fit.

    Older files have ``cost`` instead of ``update``, in which a loop's body counts once.
    """

    memory: _Memory | None
    refused: str
    update: dict[str, float]
    collectives: dict[str, int]
    collectives_in_loops: dict[str, int]
    cpu_seconds: float


def compile_step(
    lower: Callable[[], bytes], key: str, tpu: Slice, *, python: str, cache: str
) -> Compiled:
    """Compiles a step for one device of a slice, or takes the result from the cache.

    Args:
        lower: Makes the program; called only if the result is not cached.
        key: Identifies the program: see `cache_key`.
        tpu: The slice.
        python: An interpreter that has jax and libtpu.
        cache: The folder of earlier results.

    Raises:
        UserError: If the interpreter lacks them, or the compiler failed.
    """

    def command(folder: str, topology: str, answer: str) -> list[str]:
        program = files.join(folder, "step.hlo")
        files.write_bytes(program, lower())
        return [python, "-m", "glrtf.planning.tpu_compiler", program, topology, answer]

    return _compiled(command, key, tpu, _TOPOLOGIES, python, cache)


def compile_update(
    settings: dict[str, Any], key: str, tpu: Slice, *, python: str, cache: str
) -> Compiled:
    """Compiles the JAX update for a host of a slice, or takes the result from the cache.

    Args:
        settings: From `jax_compiler.settings_of`.
        key: As in `compile_step`.
        tpu: The slice.
        python: An interpreter that has jax, libtpu and Keras.
        cache: The folder of earlier results.

    Raises:
        UserError: If the interpreter lacks them, or the compiler failed.
    """
    topologies = {tpu.device.generation: _host_topology(tpu)}

    def command(folder: str, topology: str, answer: str) -> list[str]:
        path = files.join(folder, "settings.json")
        files.write_json(path, settings)
        return [python, "-m", "glrtf.planning.jax_compiler", path, topology, answer]

    return _compiled(command, key, tpu, topologies, python, cache, ("keras",))


def _host_topology(tpu: Slice) -> str:
    """The chips of one host of the slice, which its whole update is compiled for."""
    kind = tpu.device.generation
    if kind in ("v5e", "v6e"):
        each = min(tpu.num_devices, 8 if tpu.num_hosts == 1 else 4)
        return f"{kind}:{ {1: '1x1', 4: '2x2', 8: '2x4'}[each] }".replace(" ", "")
    return _TOPOLOGIES[kind]


def _compiled(
    command: Callable[[str, str, str], list[str]],
    key: str,
    tpu: Slice,
    topologies: Mapping[str, str],
    python: str,
    cache: str,
    packages: Sequence[str] = (),
) -> Compiled:
    """The cached result, else that of a command: (its folder, the topology, the output file)."""
    topology = topologies[tpu.device.generation]
    result = _path(key, tpu, cache)
    if not files.exists(result):
        _check_compiler(python, packages)
        # In a separate folder: another process may plan the same at the same time.
        print(
            f"compiling for {topology}: {_DURATION}; the result is kept in {cache}",
            file=sys.stderr,
            flush=True,
        )
        with tempfile.TemporaryDirectory(prefix="glrtf-plan-") as folder:
            answer = files.join(folder, "answer.json")
            _run(command(folder, topology, answer), f"compile for {topology}")
            found = json_shapes.read(answer, dict[str, Any])
        today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
        files.write_json(result, {**found, "date": today, "program": json.loads(key)})
    return _read(result)


def find_compiled(key: str, tpu: Slice, cache: str) -> Compiled | None:
    """An earlier result of `compile_step`, None if there is none."""
    path = _path(key, tpu, cache)
    return _read(path) if files.exists(path) else None


def _path(key: str, tpu: Slice, cache: str) -> str:
    generation = tpu.device.generation
    digest = hashlib.sha256(f"{_TOPOLOGIES[generation]}\n{key}".encode()).hexdigest()[:16]
    return files.join(cache, f"{generation}-{digest}.json")


def _read(path: str) -> Compiled:
    found = json_shapes.read(path, _Answer, "delete it and compile again")
    memory = found.get("memory")
    return Compiled(
        peak_bytes=None if memory is None else memory["peak_memory_in_bytes"],
        refusal="\n".join(found.get("refused", "").splitlines()[:_LINES_OF_A_REFUSAL]),
        seconds=found["seconds"],
        compiler=f"jax {found['jax']}, libtpu {found['libtpu']}",
        date=found["date"],
        flops=found.get("update", {}).get("flops"),
        bytes_accessed=found.get("update", {}).get("bytes_accessed"),
        collectives=found.get("collectives", {}),
        collectives_in_loops=found.get("collectives_in_loops"),
        cpu_seconds=found.get("cpu_seconds"),
    )


def _check_compiler(python: str, packages: Sequence[str]) -> None:
    """Checks for jax, libtpu and further packages before minutes are spent on lowering."""
    names = ("jax", "libtpu", *packages)
    look = f"import importlib.metadata as m; [m.version(name) for name in {names}]"
    try:
        found = subprocess.run([python, "-c", look], capture_output=True, text=True, check=False)
    except OSError as error:
        raise UserError(f"--compiler_python: cannot run {python} ({error.strerror})") from None
    if found.returncode:
        packages_named = " ".join([COMPILER_PACKAGES, *packages])
        raise UserError(
            f"--compile: {python} lacks {' or '.join(names)}; make an environment for them with "
            f"'python -m venv plan && plan/bin/pip install {packages_named}' and name it with "
            "--compiler_python plan/bin/python"
        )


def _python_path() -> list[str]:
    return [path for path in [os.environ.get("PYTHONPATH", "")] if path]


def _run(command: list[str], description: str) -> None:
    """Runs the compiler and reports from time to time that it is still running."""
    began = said = time.monotonic()
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # So that the other environment's interpreter finds this project.
        env={**os.environ, "PYTHONPATH": os.pathsep.join([_ROOT, *_python_path()])},
    )
    while True:
        try:
            _, errors = process.communicate(timeout=1)
            break
        except subprocess.TimeoutExpired:
            if time.monotonic() - said >= _SECONDS_BETWEEN_LINES:
                said = time.monotonic()
                passed = format_seconds(said - began)
                print(f"{description}: {passed} so far", file=sys.stderr, flush=True)
        except BaseException:
            process.kill()
            process.wait()
            raise
    if process.returncode:
        last = [line for line in errors.splitlines() if line.strip()][-1:] or ["no message"]
        reason = re.sub(r"\s+", " ", last[0])
        raise UserError(f"--compile: the compiler failed with {process.returncode}: {reason}")


def cache_key(settings: dict) -> str:
    """Settings as JSON text that is equal when they are."""
    return json.dumps(settings, sort_keys=True)
