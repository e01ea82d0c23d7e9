import threading
from pathlib import Path

import pytest

from glrtf.planning.optimized_program import costs_of, optimized

NAME = "module_0001.jit_update.12"
REPORT = """Memory Space: default (color=0)
Total bytes: 4096 (4.0KiB)
Memory Space: vmem (color=1)
Total bytes: 77 (77B)
"""

# Two nested loops, of 3 and 2 turns: in each inner turn a product of (4, 4) matrices.
PROGRAM = """HloModule jit_update, entry_computation_layout={(f32[4,4]{1,0})->f32[4,4]{1,0}}

%turns (carry.1: (s32[], f32[4,4])) -> (s32[], f32[4,4]) {
  %carry.1 = (s32[], f32[4,4]{1,0}) parameter(0)
  %n.1 = s32[] get-tuple-element(%carry.1), index=0
  %x.1 = f32[4,4]{1,0} get-tuple-element(%carry.1), index=1
  %one.1 = s32[] constant(1)
  %next.1 = s32[] add(%n.1, %one.1)
  %dot.1 = f32[4,4]{1,0} dot(%x.1, %x.1), lhs_contracting_dims={1}, rhs_contracting_dims={0}
  ROOT %tuple.1 = (s32[], f32[4,4]{1,0}) tuple(%next.1, %dot.1)
}

%below_2 (carry.2: (s32[], f32[4,4])) -> pred[] {
  %carry.2 = (s32[], f32[4,4]{1,0}) parameter(0)
  %n.2 = s32[] get-tuple-element(%carry.2), index=0
  %two = s32[] constant(2)
  ROOT %less.2 = pred[] compare(%n.2, %two), direction=LT
}

%rounds (carry.3: (s32[], f32[4,4])) -> (s32[], f32[4,4]) {
  %carry.3 = (s32[], f32[4,4]{1,0}) parameter(0)
  %n.3 = s32[] get-tuple-element(%carry.3), index=0
  %x.3 = f32[4,4]{1,0} get-tuple-element(%carry.3), index=1
  %zero.3 = s32[] constant(0)
  %start.3 = (s32[], f32[4,4]{1,0}) tuple(%zero.3, %x.3)
  %while.3 = (s32[], f32[4,4]{1,0}) while(%start.3), condition=%below_2, body=%turns
  %y.3 = f32[4,4]{1,0} get-tuple-element(%while.3), index=1
  %one.3 = s32[] constant(1)
  %next.3 = s32[] add(%n.3, %one.3)
  ROOT %tuple.3 = (s32[], f32[4,4]{1,0}) tuple(%next.3, %y.3)
}

%below_3 (carry.4: (s32[], f32[4,4])) -> pred[] {
  %carry.4 = (s32[], f32[4,4]{1,0}) parameter(0)
  %n.4 = s32[] get-tuple-element(%carry.4), index=0
  %three = s32[] constant(3)
  ROOT %less.4 = pred[] compare(%n.4, %three), direction=LT
}

ENTRY %main (x: f32[4,4]) -> f32[4,4] {
  %x = f32[4,4]{1,0} parameter(0)
  %zero = s32[] constant(0)
  %start = (s32[], f32[4,4]{1,0}) tuple(%zero, %x)
  %while = (s32[], f32[4,4]{1,0}) while(%start), condition=%below_3, body=%rounds
  ROOT %y = f32[4,4]{1,0} get-tuple-element(%while), index=1
}
"""


def test_loops_count_as_often_as_they_run() -> None:
    pytest.importorskip("jaxlib", reason="needs the extra [jax]")
    costs = costs_of(PROGRAM)
    # An inner turn is a product of 2 x 4 x 4 x 4 = 128 and an addition; an outer turn two of them,
    # an addition, and one comparison, since XLA counts a condition once.
    assert costs["flops"] == 3 * (2 * (128 + 1) + 1 + 1) + 1
    # A product reads twice 64 bytes and writes 64.
    assert costs["bytes_accessed"] > 3 * 2 * 3 * 64


def test_a_program_that_jaxlib_cannot_read_has_no_costs() -> None:
    pytest.importorskip("jaxlib", reason="needs the extra [jax]")
    assert costs_of(PROGRAM.replace("dot(%x.1, %x.1)", "newer-operation(%x.1)")) == {}


LATE = """HloModule jit_update, entry_computation_layout={(f32[8]{0})->f32[8]{0}}

%add (a: f32[], b: f32[]) -> f32[] {
  %a = f32[] parameter(0)
  %b = f32[] parameter(1)
  ROOT %sum = f32[] add(%a, %b)
}

%reduced (part: f32[8]) -> f32[8] {
  %part = f32[8]{0} parameter(0)
  ROOT %all-reduce.1 = f32[8]{0} all-reduce(%part), replica_groups={}, to_apply=%add
}, execution_thread="sparsecore"

ENTRY %main (x: f32[8]) -> f32[8] {
  %x = f32[8]{0} parameter(0)
  %call-start = ((), (), (s32[])) async-start(), async_execution_thread="sparsecore", calls=%reduced
  %y = f32[8]{0} multiply(%x, %x)
  %call-update = ((f32[8]{0}), f32[8]{0}, (s32[])) async-update(%call-start, %y)
  ROOT %call-done = f32[8]{0} async-done(%call-update)
}
"""


def test_operands_that_come_late_are_counted_as_of_a_call() -> None:
    pytest.importorskip("jaxlib", reason="needs the extra [jax]")
    costs = costs_of(LATE)
    # Eight products, and eight sums of the reduction.
    assert costs["flops"] == 8 + 8
    # The product reads 32 bytes, twice the same, and writes 32; so does the reduction.
    assert costs["bytes_accessed"] >= 2 * (32 + 32)


def write(folder: str, report: str = REPORT) -> None:
    Path(folder, f"{NAME}.after_optimizations-memory-usage-report.txt").write_text(report)
    name = f"{NAME}.after_optimizations_after_buffer_assignment.txt"
    Path(folder, name).write_text("HloModule jit_update")


def test_it_returns_while_the_compiler_still_generates_code(monkeypatch) -> None:
    monkeypatch.setattr("glrtf.planning.optimized_program._SECONDS_TO_WRITE", 0.1)
    may_end = threading.Event()

    def compile_into(folder: str) -> None:
        write(folder)
        may_end.wait()

    assert optimized(compile_into) == ("HloModule jit_update", 4096)
    may_end.set()


def test_it_waits_while_the_files_grow(monkeypatch) -> None:
    monkeypatch.setattr("glrtf.planning.optimized_program._SECONDS_TO_WRITE", 0.0)
    may_end, sizes = threading.Event(), iter([10, 20, 20])

    def bytes_written(folder: str) -> int:
        size = next(sizes)
        if size == 20:
            [program] = Path(folder).glob("*buffer_assignment.txt")
            program.write_text("HloModule whole")
        return size

    def compile_into(folder: str) -> None:
        write(folder)
        may_end.wait()

    monkeypatch.setattr("glrtf.planning.optimized_program._bytes_written", bytes_written)
    assert optimized(compile_into).text == "HloModule whole"
    may_end.set()


def test_a_refusal_is_raised_also_after_the_program_is_written() -> None:
    def compile_into(folder: str) -> None:
        write(folder)
        raise MemoryError("20 of 15 GiB")

    with pytest.raises(MemoryError, match="20 of 15"):
        optimized(compile_into)


@pytest.mark.parametrize("report", ["", "Memory Space: vmem (color=1)\nTotal bytes: 77"])
def test_a_compiler_that_writes_something_else_is_an_error(report: str) -> None:
    with pytest.raises(RuntimeError, match="no total of the device's memory"):
        optimized(lambda folder: write(folder, report))
    with pytest.raises(RuntimeError, match="no program with memory assigned"):
        optimized(lambda folder: None)
