"""Work shared by threads on all processors: NumPy releases the GIL in large operations."""

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_ResultT = TypeVar("_ResultT")


def usable_processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def for_all(function: Callable[[int], _ResultT], items: Sequence[int]) -> list[_ResultT]:
    """Calls a function for every item, on all processors if there are several items.

    The calling thread takes part, which saves starting and waking another one.

    Args:
        function: Called once for each item, by several threads at a time.
        items: Its arguments; each thread takes the next one.

    Returns:
        The results in the order of the items.

    Raises:
        BaseException: One that the function raised; items that no thread has started are left
            out then.
    """
    left = iter(enumerate(items))
    results: dict[int, _ResultT] = {}

    def work() -> None:
        try:
            for place, item in left:
                results[place] = function(item)
        except BaseException:
            deque(left, maxlen=0)
            raise

    helpers = min(usable_processors(), len(items)) - 1
    if helpers < 1:
        work()
    else:
        with ThreadPoolExecutor(helpers) as pool:
            helping = [pool.submit(work) for _ in range(helpers)]
            work()
        for each in helping:
            each.result()
    return [results[place] for place in range(len(items))]
