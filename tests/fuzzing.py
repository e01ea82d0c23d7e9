"""Feeds readers of foreign bytes with mutated files and looks for what they must never do.

A reader may return or refuse; every other exception is a fault. Inputs that make
a reader answer in a new way join the corpus and are mutated further.
"""

import dataclasses
import random
import re
import time
from collections.abc import Callable, Sequence

_SPECIAL = (
    b"\x00",
    b"\xff",
    b"\n",
    b'"',
    b",",
    b"../",
    b"\x7f\xff\xff\xff",
    b"-1",
    b"nan",
    b"9" * 20,
)
_LONGEST = 1 << 17
# Parts of the input, or positions in it, that an error message repeats.
_VARIABLE = re.compile(
    r"(?:\bfound|; did you mean) .*|\(.*|'[^']*'|\"[^\"]*\"|\d[\w.]*|/\S*", re.DOTALL
)


@dataclasses.dataclass
class Target:
    """A reader under test.

    Attributes:
        name: What reports call it.
        seeds: Whole inputs to begin with.
        read: Reads bytes; returns anything, or raises one of `refusals`.
        refusals: The exceptions with which it may answer.
    """

    name: str
    seeds: Sequence[bytes]
    read: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...]


@dataclasses.dataclass
class Findings:
    """What came out.

    Attributes:
        runs: Inputs that were read.
        refused: How many of them were refused.
        answers: Every kind of answer, with numbers and quoted parts left out.
        corpus: Inputs kept, seeds included.
        slowest: Seconds of the slowest one.
        slowest_input: That one.
    """

    runs: int = 0
    refused: int = 0
    answers: set[str] = dataclasses.field(default_factory=set)
    corpus: list[bytes] = dataclasses.field(default_factory=list)
    slowest: float = 0.0
    slowest_input: bytes = b""


def fuzz(target: Target, *, seed: int, runs: int = 0, seconds: float = 0.0) -> Findings:
    """Reads mutated inputs, that many or so long.

    Raises:
        AssertionError: With the input, for an exception that is no refusal.
    """
    draw = random.Random(seed)
    found = Findings(corpus=list(target.seeds))
    end = time.monotonic() + seconds
    while found.runs < runs or time.monotonic() < end:
        data = _mutated(draw, found.corpus)
        began = time.monotonic()
        try:
            target.read(data)
            answer = "read"
        except target.refusals as refusal:
            found.refused += 1
            answer = _VARIABLE.sub("#", str(refusal))[:80]
        except Exception as error:
            raise AssertionError(f"{target.name}: {error!r} for the input {data!r}") from error
        found.runs += 1
        if (took := time.monotonic() - began) > found.slowest:
            found.slowest, found.slowest_input = took, data
        if answer not in found.answers:
            found.answers.add(answer)
            found.corpus.append(data)
    return found


def _mutated(draw: random.Random, corpus: Sequence[bytes]) -> bytes:
    data = bytearray(draw.choice(corpus))
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        place = draw.randrange(len(data) + 1)
        kind = draw.randrange(6)
        if kind == 0 and place < len(data):
            data[place] ^= 1 << draw.randrange(8)
        elif kind == 1 and place < len(data):
            data[place] = draw.randrange(256)
        elif kind == 2:
            del data[place : place + draw.choice((1, 4, 64, 512))]
        elif kind == 3:
            data[place:place] = draw.choice(_SPECIAL)
        elif kind == 4:
            other = draw.choice(corpus)
            start = draw.randrange(len(other) + 1)
            data[place:place] = other[start : start + draw.choice((1, 8, 64, 512))]
        else:
            del data[place:]
    return bytes(data[:_LONGEST])
