"""The faiss package, imported when it is needed."""

import contextlib
from collections.abc import Iterator
from typing import Any

from tfrecords_tools.errors import optional_package


def library() -> Any:
    """The faiss package.

    Raises:
        UserError: If it is not installed.
    """
    return optional_package(
        *("faiss", "--search.backend faiss", "faiss-cpu", "faiss"),
        instead="choose --search.backend exact",
    )


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """What faiss builds on one thread does not depend on the processors."""
    faiss = library()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
