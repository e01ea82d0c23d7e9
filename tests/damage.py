"""Damaged copies of a file: cut short, or with one bit flipped, at places drawn from a seed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tfrecords_tools.errors import UserError

NUM_CUTS = NUM_FLIPS = 50


def damaged(whole: bytes, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yields what was done and the bytes: `NUM_CUTS` cuts, then `NUM_FLIPS` flips."""
    generator = np.random.default_rng([seed, len(whole)])
    for length in generator.integers(0, len(whole), NUM_CUTS).tolist():
        yield f"cut to {length} of {len(whole)} bytes", whole[:length]
    for bit in generator.integers(0, len(whole) * 8, NUM_FLIPS).tolist():
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        yield f"bit {bit % 8} of byte {bit // 8} flipped", bytes(flipped)


def assert_refused(
    path: Path,
    read: Callable[[], Any],
    same: Callable[[Any, Any], bool],
    *,
    named: Path | None = None,
    seed: int = 0,
) -> int:
    """Damages a file 100 times; each time it is refused by name or read as if it were whole.

    Args:
        path: The file; it is whole again in the end.
        read: Reads what the file belongs to.
        same: Whether two of its results are equal.
        named: What a refusal must name; the file itself by default.
        seed: Where it is damaged.

    Returns:
        How many of the damaged files were refused.
    """
    whole = path.read_bytes()
    expected = read()
    refused = 0
    for what, data in damaged(whole, seed):
        path.write_bytes(data)
        try:
            found = read()
        except UserError as error:
            refused += 1
            message = str(error)
            assert str(named or path) in message, f"{what}: not named in {message!r}"
            assert "\n" not in message.strip(), f"{what}: more than a line: {message!r}"
        else:
            assert same(expected, found), f"{path.name}, {what}: another result than of the whole"
        finally:
            path.write_bytes(whole)
    return refused
