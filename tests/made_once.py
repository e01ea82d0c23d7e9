"""What takes seconds to make and nobody changes, made once for all processes of a test run."""

import fcntl
import os
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

ResultT = TypeVar("ResultT")


def made_once(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Path], ResultT]
) -> ResultT:
    """Makes something in a folder of its own, or takes what another process has made there.

    Args:
        factory: The session's temporary folders. Those of the processes of pytest-xdist have one
            parent.
        name: Tells it apart from others; the folder's name starts with it.
        make: Fills the folder, which is empty, and returns what tests need, such as paths. The
            result is pickled.

    Returns:
        What `make` returned, in whichever process it ran.
    """
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    kept = base / f"{name}.pickle"
    with open(base / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            made = make(Path(tempfile.mkdtemp(prefix=f"{name}-", dir=base)))
            temporary = kept.with_suffix(".temporary")
            temporary.write_bytes(pickle.dumps(made))
            temporary.rename(kept)
    result: ResultT = pickle.loads(kept.read_bytes())
    return result
