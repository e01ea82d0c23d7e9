"""A TPU program's memory and costs before its machine code is generated.

Machine code takes most of a compilation, longer the larger the images are, and changes neither.
It needs jax and libtpu and nothing else of this project.
"""

import glob
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from glrtf.planning.program_text import Loop, loops_of, with_entry, without_late_operands

# What libtpu 0.0.52 writes once memory is assigned; only TPU programs have the first.
_PROGRAM = "*.after_optimizations_after_buffer_assignment.txt"
_REPORT = "*[0-9].after_optimizations-memory-usage-report.txt"
_TOTAL = re.compile(r"color=0\)\nTotal bytes: (\d+)")
_SECONDS_TO_WRITE = 3.0

DUMP_TO = "xla_dump_to"
"""The compiler's option for the folder of its intermediate results."""


class Optimized(NamedTuple):
    """A program whose memory is assigned.

    Attributes:
        text: The optimized program, HLO.
        memory_bytes: Of arguments and temporary values in the device's memory, which is at least
            the most in use at once.
    """

    text: str
    memory_bytes: int


def optimized(compile_into: Callable[[str], Any]) -> Optimized:
    """Runs a compiler until memory is assigned.

    The compiler then continues in a thread: it cannot be interrupted, so the process has to end by
    `os._exit`.

    Args:
        compile_into: Compiles; receives the folder to give as `DUMP_TO`.

    Raises:
        Exception: What the compiler raised, such as that the program does not fit.
        RuntimeError: If the compiler ended without the files; another libtpu may name them
            differently.
    """
    failed: list[BaseException] = []

    def run() -> None:
        try:
            compile_into(folder)
        except BaseException as error:
            failed.append(error)

    with tempfile.TemporaryDirectory(prefix="glrtf-program-", ignore_cleanup_errors=True) as folder:
        compiling = threading.Thread(target=run, daemon=True)
        compiling.start()
        while compiling.is_alive() and not _found(folder, _PROGRAM):
            time.sleep(0.2)
        # It may still be writing, or about to say that the program does not fit.
        before = -1
        while (written := _bytes_written(folder)) != before:
            before = written
            compiling.join(_SECONDS_TO_WRITE)
        if failed:
            raise failed[0]
        program, report = _found(folder, _PROGRAM), _found(folder, _REPORT)
        if not (program and report):
            raise RuntimeError(
                "the compiler wrote no program with memory assigned; use the versions of jax and "
                "libtpu in docs/plan.md"
            )
        total = _TOTAL.search(_text(report[0]))
        if not total:
            raise RuntimeError(f"{os.path.basename(report[0])}: no total of the device's memory")
        return Optimized(_text(program[0]), int(total[1]))


def _found(folder: str, pattern: str) -> list[str]:
    return glob.glob(os.path.join(folder, pattern))


def _bytes_written(folder: str) -> int:
    return sum(
        os.path.getsize(path) for name in (_PROGRAM, _REPORT) for path in _found(folder, name)
    )


def _text(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def costs_of(text: str) -> dict[str, float]:
    """FLOPs and bytes accessed of one execution, by XLA's analysis.

    That counts a loop's body once; here it counts as often as the loop runs. Bytes are those of
    the values, without the padding of a TPU's tiles, also where a value moves between the device's
    memories.

    Args:
        text: An optimized program, HLO.

    Returns:
        ``flops`` and ``bytes_accessed``; nothing if jaxlib cannot read the text.
    """
    import jax
    from jaxlib import _hlo, _jax

    text = without_late_operands(text)
    client = jax.devices("cpu")[0].client

    def once(program: str) -> list[float]:
        costs = _jax.hlo_module_cost_analysis(client, _hlo.hlo_module_from_text(program))
        return [float(costs.get(name, 0.0)) for name in ("flops", "bytes accessed")]

    def with_loops(program: str, loops: list[Loop]) -> list[float]:
        costs = once(program)
        for loop in loops:
            body = with_entry(text, loop.body)
            repeated, counted = with_loops(body, loop.inner), once(body)
            costs = [
                a + loop.times * b - c for a, b, c in zip(costs, repeated, counted, strict=True)
            ]
        return costs

    try:
        flops, accessed = with_loops(text, loops_of(text))
    except jax.errors.JaxRuntimeError as error:
        if "INVALID_ARGUMENT" not in str(error):
            raise
        return {}
    return {"flops": flops, "bytes_accessed": accessed}
