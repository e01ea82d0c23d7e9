import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from glrtf.planning import describe
from glrtf.planning.accelerators import find_slice
from glrtf.planning.compiled import Compiled, compile_step
from tfrecords_tools.errors import UserError

TPU = find_slice("v3-8")

# Stands in for an interpreter with jax and libtpu: answers the look for them,
# and as the compiler counts the program's bytes as its peak memory.
INTERPRETER = """#!{python}
import json, sys
if sys.argv[1] == "-c":
    print("0.0 0.0")
    sys.exit(0)
_, _, _, program, topology, result = sys.argv
data = open(program, "rb").read()
if data == b"broken":
    print("noise\\nRuntimeError: no such instruction", file=sys.stderr)
    sys.exit(3)
found = {{"topology": topology, "jax": "1", "libtpu": "2", "seconds": 0.5,
         "cpu_seconds": 130.0}}
if data == b"large":
    found["refused"] = "RESOURCE_EXHAUSTED: Used 20G of 15G hbm"
else:
    found["memory"] = {{"peak_memory_in_bytes": len(data)}}
json.dump(found, open(result, "w"))
"""


@pytest.fixture
def python(tmp_path: Path) -> str:
    file = tmp_path / "interpreter"
    file.write_text(INTERPRETER.format(python=sys.executable))
    file.chmod(0o755)
    return str(file)


def compiled(
    program: bytes, python: str, folder: Path, key: str = "{}", lowered: list | None = None
):
    def lower() -> bytes:
        if lowered is not None:
            lowered.append(program)
        return program

    return compile_step(lower, key, TPU, python=python, cache=str(folder / "cache"))


def test_a_result_is_read_and_kept(
    python: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lowered: list[bytes] = []
    first = compiled(b"1234567", python, tmp_path, lowered=lowered)
    (announced,) = capsys.readouterr().err.splitlines()
    assert announced == (
        "compiling for v3:2x2: one to ten minutes on two idle cores; the result is kept in "
        f"{tmp_path / 'cache'}"
    )
    again = compiled(b"1234567", python, tmp_path, lowered=lowered)
    assert first == again
    assert not capsys.readouterr().err  # It came from the cache.
    assert (first.peak_bytes, first.compiler) == (7, "jax 1, libtpu 2")
    assert first.cpu_seconds == 130
    assert len(lowered) == 1
    (kept,) = (tmp_path / "cache").iterdir()  # The program itself is not kept.
    content = json.loads(kept.read_text())
    assert (content["topology"], content["program"], content["date"]) == ("v3:2x2", {}, first.date)


def test_another_configuration_is_compiled_again(python: str, tmp_path: Path) -> None:
    assert compiled(b"12", python, tmp_path, key='{"size": 1}').peak_bytes == 2
    assert compiled(b"123", python, tmp_path, key='{"size": 2}').peak_bytes == 3


def test_what_does_not_fit_is_an_answer_not_an_error(python: str, tmp_path: Path) -> None:
    found = compiled(b"large", python, tmp_path)
    assert found.peak_bytes is None
    assert found.refusal == "RESOURCE_EXHAUSTED: Used 20G of 15G hbm"


@pytest.mark.parametrize(
    ("refusal", "gib"),
    [
        ("E1000: the total memory required (18.25G) exceeds available HBM (15.75G).", 18.25),
        ("RESOURCE_EXHAUSTED: Used 20.5G of 15.48G hbm", 20.5),
        ("RESOURCE_EXHAUSTED: out of luck", None),
    ],
)
def test_what_a_refused_program_needs_is_read(refusal: str, gib: float | None) -> None:
    found = Compiled(peak_bytes=None, refusal=refusal, seconds=1.0, compiler="", date="")
    assert found.needed_gib == gib


def test_counts_of_the_compiler_are_shown() -> None:
    found = Compiled(
        peak_bytes=2**30,
        refusal="",
        seconds=1.0,
        compiler="jax 1",
        date="",
        flops=2.5e12,
        bytes_accessed=3.25e10,
        collectives={"all-reduce": 3, "all-gather": 0},
        collectives_in_loops={"all-reduce": 2, "all-gather": 0},
        cpu_seconds=130.0,
    )
    estimate = SimpleNamespace(memory=SimpleNamespace(total=2**30))
    text = describe.compiled_to_text(found, TPU, estimate)
    assert text.startswith("compiled (jax 1, 1.0 s, 2 min 10 s of CPU): peak 1.00 GiB")
    assert "counts 2,500.0 GFLOP and 32.5 GB accessed in an update on a device" in text
    assert text.splitlines()[-1] == "operations between devices: 3 all-reduce; in loops: 2"


def test_a_broken_compiler_is_reported_and_leaves_nothing(python: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="failed with 3: RuntimeError: no such instruction"):
        compiled(b"broken", python, tmp_path)
    assert not (tmp_path / "cache").exists()


def test_an_interpreter_without_a_compiler_is_refused_before_lowering(tmp_path: Path) -> None:
    lowered: list[bytes] = []
    # -S: without site-packages no interpreter has jax.
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    with pytest.raises(UserError, match="lacks jax or libtpu; make an environment"):
        compiled(b"1", str(bare), tmp_path, lowered=lowered)
    with pytest.raises(UserError, match="cannot run /no/such/python"):
        compiled(b"1", "/no/such/python", tmp_path, lowered=lowered)
    assert not lowered
