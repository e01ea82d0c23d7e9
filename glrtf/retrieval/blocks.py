"""Results that are computed some rows at a time, put together."""

import dataclasses
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Arrays = TypeVar("Arrays")
"""A dataclass whose fields are arrays with a row for each item."""


def concatenated(blocks: Sequence[Arrays]) -> Arrays:
    """The results of several blocks as one: each field's arrays, one after the other.

    Args:
        blocks: Results of one class, at least one; every field is an array.
    """
    fields = dataclasses.fields(blocks[0])  # type: ignore[arg-type]  # No protocol has fields.
    columns = ([getattr(block, field.name) for block in blocks] for field in fields)
    return type(blocks[0])(*map(np.concatenate, columns))
