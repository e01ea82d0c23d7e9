"""Memory for batches, reused when no longer referenced.

A batch is tens of megabytes; allocating that much new memory each time costs as much as filling it.
"""

import math
import sys
from collections.abc import Sequence

import numpy as np

# TensorFlow uses arrays that start at such addresses without copying them.
_ALIGNMENT = 64
# The pool's list, the loop variable, and the argument of getrefcount itself.
_REFERENCES_OF_FREE = 3


class Buffers:
    """Arrays of one shape.

    Args:
        shape: Theirs.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        self._shape = tuple(shape)
        self._memories: list[np.ndarray] = []

    def take(self) -> np.ndarray:
        """An uninitialised uint8 array; its memory is reused once its views are gone."""
        size = math.prod(self._shape)
        for memory in self._memories:
            if sys.getrefcount(memory) == _REFERENCES_OF_FREE:
                break
        else:
            memory = np.empty(size + _ALIGNMENT, np.uint8)
            self._memories.append(memory)
        first = -memory.ctypes.data % _ALIGNMENT
        return memory[first : first + size].reshape(self._shape)
