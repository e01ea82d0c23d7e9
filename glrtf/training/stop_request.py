"""Stopping a run by a signal or a time limit: all processes of a cluster after the same update."""

import math
import signal
import sys
import time
from types import FrameType
from typing import Any

import numpy as np


class StopRequest:
    """Whether a run should stop: after SIGTERM, Ctrl-C or a time, here or in another process.

    In a cluster each process passes its own answer into every update, where it is averaged together
    with the metrics. All processes read the answer of the same update, so all stop after the same
    one. They read the answer of the update before the last one: waiting for the last one would
    leave the devices idle until the next begins.

    Args:
        alone: Whether this is the only process of the run.
        max_hours: Time from now after which the run should stop; 0 for no limit.
    """

    def __init__(self, alone: bool, max_hours: float = 0.0) -> None:
        self._alone = alone
        self._max_hours = max_hours
        self._deadline = time.monotonic() + max_hours * 3600 if max_hours else math.inf
        self._asked = False
        self._shares: list[Any] = []
        self.agreed = False

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Records a signal.

        Raises:
            KeyboardInterrupt: At a second Ctrl-C.
        """
        if self._asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        hint = " (Ctrl-C again: stop at once, without saving)" if number == signal.SIGINT else ""
        self._ask(f"this update is finished and saved{hint}")

    def answer(self) -> float:
        """This process's value for the next update: 1 if it should stop, else 0."""
        if not self._asked and time.monotonic() >= self._deadline:
            self._ask(f"--max_hours {self._max_hours:g} is over; this update is finished and saved")
        return float(self._asked)

    def _ask(self, message: str) -> None:
        self._asked = True
        self.agreed = self._alone
        print(f"stopping: {message}", file=sys.stderr, flush=True)

    def take(self, figures: Any) -> None:
        """Reads the mean of all replicas' values in the update that has just started.

        Args:
            figures: The update's, `(n,)` float32, the mean of those values last; equal on all
                processes.
        """
        if self._alone:
            return
        self._shares.append(figures)
        if len(self._shares) > 1:
            self.agreed = np.asarray(self._shares.pop(0))[-1] > 0
