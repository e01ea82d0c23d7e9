"""What a compiled program's text (HLO) says about its loops and operations between devices."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")

_COMPUTATION = re.compile(r"(?:ENTRY )?%?([\w.\-]+) \(.*\{$")
_REFERENCE = re.compile(r"\b[a-z_]+=(?:\{([^{}]*)\}|%?([\w.\-]+))")
_BODY = re.compile(r"\bbody=%?([\w.\-]+)")
_LOOP = re.compile(r"\bwhile\(.*\bcondition=%?([\w.\-]+), body=%?([\w.\-]+)")
_BOUND = re.compile(r"ROOT .*\bcompare\(.*%([\w.\-]+)\), direction=LT")

_UPDATE = re.compile(r"^ *%(\S+) = .*? async-update\(%([^\s,)]+), ([^)]+)\).*\n", re.MULTILINE)
_START = r"^ *%{} = .*? async-start\(\).*?calls=%([\w.\-]+).*\n"


class Loop(NamedTuple):
    """A loop of a program.

    Attributes:
        body: The computation that it repeats.
        times: How often; 1 if the text does not say.
        inner: The loops in its body.
    """

    body: str
    times: int
    inner: list["Loop"]


def loops_of(text: str) -> list[Loop]:
    """The loops of a program's entry, each with those inside.

    Args:
        text: A compiled program as HLO text. A loop that counts from 0 compares its counter with a
            constant.
    """
    lines = _lines_by_computation(text)

    def inside(name: str) -> list[Loop]:
        found = [match.groups() for line in lines[name] if (match := _LOOP.search(line))]
        return [Loop(body, _bound(lines[condition]), inside(body)) for condition, body in found]

    return [loop for name in lines if _is_entry(lines[name]) for loop in inside(name)]


def _is_entry(lines: list[str]) -> bool:
    return bool(lines) and lines[0].startswith("ENTRY ")


def _bound(condition: Iterable[str]) -> int:
    text = "\n".join(condition)
    if compared := _BOUND.search(text):
        constant = re.search(rf"%{re.escape(compared[1])} = .*\bconstant\((\d+)\)", text)
        return int(constant[1]) if constant else 1
    return 1


def with_entry(text: str, name: str) -> str:
    """The program whose entry is another of its computations."""
    # The header describes the parameters of the entry of before.
    lines = ["HloModule part"]
    for line in text.splitlines()[1:]:
        line = line.removeprefix("ENTRY ")
        match = _COMPUTATION.match(line)
        lines.append(f"ENTRY {line}" if match and match[1] == name else line)
    return "\n".join(lines)


def without_late_operands(text: str) -> str:
    """The program with asynchronous calls that receive their operands late as plain calls.

    libtpu 0.0.52 writes them for v7x, where other cores reduce: a start without operands, an update
    with the start and the operands, and the end. jaxlib 0.10.2 reads no such update.
    """
    for update, start, operands in _UPDATE.findall(text):
        begun = re.search(_START.format(re.escape(start)), text, re.MULTILINE)
        if not begun:
            continue
        text = text.replace(begun[0], "", 1)
        text = re.sub(rf"^ *%{re.escape(update)} = .*\n", "", text, count=1, flags=re.MULTILINE)
        ended = f"async-done(%{update})"
        text = text.replace(ended, f"call({operands}), to_apply=%{begun[1]}")
    return text


def count_collectives(text: str) -> tuple[dict[str, int], dict[str, int]]:
    """Counts the operations that cross devices, by kind.

    Args:
        text: A compiled program as HLO text, in which each operation has its own line.

    Returns:
        How many operations of each of `COLLECTIVES` the program has, and how many of these
        run inside loops, also where a loop's body calls another computation.
    """
    lines = _lines_by_computation(text)
    inside = _in_loops(lines)
    total, looped = dict.fromkeys(COLLECTIVES, 0), dict.fromkeys(COLLECTIVES, 0)
    for name, found in lines.items():
        for kind in COLLECTIVES:
            # An asynchronous operation has a second line, its end.
            pattern = re.compile(rf"= .*\b{kind}(?:-start)?\(")
            count = sum(bool(pattern.search(line)) for line in found)
            total[kind] += count
            looped[kind] += count if name in inside else 0
    return total, looped


def _lines_by_computation(text: str) -> dict[str, list[str]]:
    lines: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.splitlines():
        if match := _COMPUTATION.match(line):
            current = lines.setdefault(match[1], [])
        current.append(line)
    return lines


def _in_loops(lines: Mapping[str, list[str]]) -> set[str]:
    """The computations that loops run, directly or through others."""
    waiting = [body for found in lines.values() for line in found for body in _BODY.findall(line)]
    inside: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in inside:
            inside.add(name)
            waiting += _called(lines.get(name, ()), lines)
    return inside


def _called(found: Iterable[str], lines: Mapping[str, list[str]]) -> list[str]:
    """The computations that these lines name, such as ``calls=%a`` and ``branches={%a, %b}``."""
    names = [
        name.strip().lstrip("%")
        for line in found
        for several, one in _REFERENCE.findall(line)
        for name in (several or one).split(",")
    ]
    return [name for name in names if name in lines]
