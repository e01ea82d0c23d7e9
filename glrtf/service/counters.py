"""The counters of a running service."""

import collections
import time
from typing import Any

import numpy as np

_REMEMBERED = 1000


class Counters:
    """Numbers of searches by outcome, and the latencies of the last answers."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._outcomes: collections.Counter[str] = collections.Counter()
        self._seconds: collections.deque[float] = collections.deque(maxlen=_REMEMBERED)

    def answered(self, seconds: float) -> None:
        """Counts an answered search and records how long it took."""
        self._outcomes["answered"] += 1
        self._seconds.append(seconds)

    def refused(self, status: int) -> None:
        """Counts a search refused with an HTTP status."""
        self._outcomes[str(status)] += 1

    def aborted(self) -> None:
        """Counts a client that disconnected during its upload."""
        self._outcomes["aborted"] += 1

    def as_json(self) -> dict[str, Any]:
        """The counters for `/healthz`.

        Counts by outcome (``answered``, ``aborted`` or the status), uptime in seconds, and
        latencies of the last 1000 answers in milliseconds.
        """
        ranks = np.percentile(list(self._seconds) or [0.0], [50, 99])
        return {
            "uptime_s": round(time.monotonic() - self._began, 1),
            "searches": dict(self._outcomes),
            "latency_ms": {"p50": round(ranks[0] * 1000, 1), "p99": round(ranks[1] * 1000, 1)},
        }
