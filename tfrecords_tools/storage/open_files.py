"""How many files this process may hold open: a memory map of Python counts as one."""

import contextlib
import resource
import threading

_OTHERS = 512
"""Files in addition to those announced: libraries, pipes, sockets."""

_lock = threading.Lock()
_announced = 0


def announce(count: int) -> None:
    """Raises the limit of open files, as far as the system permits, for further files.

    The usual soft limit of 1,024 is too few for a set of thousands of parts; the hard limit,
    up to which a process may go by itself, is usually far higher.

    Args:
        count: How many more files will be open at the same time.
    """
    global _announced
    with _lock:
        _announced += count
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _announced + _OTHERS
        if soft == resource.RLIM_INFINITY or soft >= wanted:
            return
        if hard != resource.RLIM_INFINITY:
            wanted = min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
