"""Waiting for processes, for as long as a busy machine takes."""

import os
import subprocess
import time
from collections.abc import Callable

_POLL_SECONDS = 0.005
_MOST_SECONDS = 600


def wait_for(condition: Callable[[], object], process: subprocess.Popen | None = None) -> None:
    """Waits until a condition holds; fails where the process that must bring it about ends."""
    began = time.monotonic()
    while not condition():
        assert process is None or process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() - began < _MOST_SECONDS, "waited in vain"
        time.sleep(_POLL_SECONDS)


def session_has_ended(leader: int) -> bool:
    """Whether all processes that share a leader's group are gone."""
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return True
    return False
