"""Settings of the C library's allocator."""

import ctypes

# mallopt(3): numbers from <malloc.h>, and the highest values they take.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_MOST_TRIM, _MOST_MMAP = 2**31 - 1, 32 << 20


def keep_freed_memory() -> bool:
    """Makes glibc keep freed blocks for the next array instead of returning them to the system.

    Otherwise, work that repeatedly allocates arrays of megabytes waits for zeroed pages from the
    system each time. The process's memory stays at its peak.

    Returns:
        Whether the C library accepted it; only glibc does.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_TRIM_THRESHOLD, _MOST_TRIM) and mallopt(_MMAP_THRESHOLD, _MOST_MMAP))
