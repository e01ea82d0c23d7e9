from glrtf.planning.program_text import Loop, count_collectives, loops_of, with_entry

# As XLA writes programs: a loop whose body calls a fusion that crosses devices, an asynchronous
# operation in two lines, a conditional, and a condition that crosses nothing.
PROGRAM = """HloModule jit_update, is_scheduled=true

%add (a: f32[], b: f32[]) -> f32[] {
  ROOT %sum = f32[] add(%a, %b)
}

%exchanging (p: f32[8]) -> f32[8] {
  ROOT %all-reduce.3 = f32[8]{0} all-reduce(%p), to_apply=%add
}

%one_branch (p: f32[8]) -> f32[8] {
  ROOT %all-gather.9 = f32[8]{0} all-gather(%p), dimensions={0}
}

%other_branch (p: f32[8]) -> f32[8] {
  ROOT %copy = f32[8]{0} copy(%p)
}

%body (carry: (s32[], f32[8])) -> (s32[], f32[8]) {
  %fusion.1 = f32[8]{0} fusion(%x), kind=kCustom, calls=%exchanging
  %chosen = f32[8]{0} conditional(%n, %x, %x), branch_computations={%one_branch, %other_branch}
  ROOT %tuple = (s32[], f32[8]) tuple(%n, %fusion.1)
}

%condition (carry: (s32[], f32[8])) -> pred[] {
  ROOT %less = pred[] compare(%n, %limit), direction=LT
}

ENTRY %main (weights: f32[8]) -> f32[8] {
  %while.1 = (s32[], f32[8]) while(%start), condition=%condition, body=%body
  %all-reduce-start.1 = f32[8]{0} all-reduce-start(%y), to_apply=%add
  %all-reduce-done.1 = f32[8]{0} all-reduce-done(%all-reduce-start.1)
  %all-reduce.7 = (f32[8]{0}, f32[2]{0}) all-reduce(%y, %z), to_apply=%add
  ROOT %permuted = f32[8]{0} collective-permute(%all-reduce.7), source_target_pairs={{0,1}}
}
"""

NONE = {"reduce-scatter": 0, "all-to-all": 0}


def test_operations_between_devices_are_counted_also_those_that_a_loop_calls() -> None:
    total, inside = count_collectives(PROGRAM)
    assert total == NONE | {"all-reduce": 3, "all-gather": 1, "collective-permute": 1}
    assert inside == NONE | {"all-reduce": 1, "all-gather": 1, "collective-permute": 0}


def test_names_may_lack_the_percent_sign() -> None:
    assert count_collectives(PROGRAM.replace("%", "")) == count_collectives(PROGRAM)


LOOPS = """HloModule jit_update, entry_computation_layout={(f32[8]{0})->f32[8]{0}}

%short (carry: (s32[], f32[8])) -> pred[] {
  %limit.2 = s32[]{:T(128)} constant(2), metadata={op_name="less"}
  %n = s32[] get-tuple-element(%carry), index=0
  ROOT %less = pred[] compare(%n, %limit.2), direction=LT, metadata={op_name="less"}
}

%unknown (carry: (s32[], f32[8])) -> pred[] {
  ROOT %n = pred[] get-tuple-element(%carry), index=0
}

%inner (carry: (s32[], f32[8])) -> (s32[], f32[8]) {
  ROOT %carry = (s32[], f32[8]) parameter(0)
}

%outer.1 (carry: (s32[], f32[8])) -> (s32[], f32[8]) {
  ROOT %while.2 = (s32[], f32[8]) while(%carry), condition=%unknown, body=%inner
}

ENTRY %main (weights: f32[8]) -> f32[8] {
  ROOT %while.1 = (s32[], f32[8]) while(%start), condition=%short, body=%outer.1, metadata={}
}
"""


def test_loops_are_those_of_the_entry_with_those_inside() -> None:
    assert loops_of(LOOPS) == [Loop("outer.1", 2, [Loop("inner", 1, [])])]


def test_another_computation_becomes_the_entry() -> None:
    changed = with_entry(LOOPS, "outer.1")
    assert "ENTRY %outer.1 (carry" in changed
    assert "\n%main (weights" in changed
    assert changed.count("ENTRY ") == 1
    # The header describes parameters that the entry no longer has.
    assert "entry_computation_layout" not in changed
    assert loops_of(changed) == [Loop("inner", 1, [])]
