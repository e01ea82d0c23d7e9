"""Settings of the C library's allocator."""

import ctypes

# mallopt(3): numbers from <malloc.h>, and the highest values they take.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_MOST_TRIM, _MOST_MMAP = 2**31 - 1, 32 << 20


def keep_freed_memory() -> bool:
    """Makes glibc keep freed blocks for the next array instead of returning them to the system.

    Work that makes and drops arrays of megabytes again and again else waits for
    the system to hand out zeroed pages each time. The process stays at its peak.

    Returns:
        Whether the C library took it; others than glibc do not know it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_TRIM_THRESHOLD, _MOST_TRIM) and mallopt(_MMAP_THRESHOLD, _MOST_MMAP))
