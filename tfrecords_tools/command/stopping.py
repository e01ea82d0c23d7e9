"""Ctrl-C and SIGTERM: stopping commands before their work is done."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

STOPPED = 75
"""Exit code of a command that was stopped and that the same command resumes.

It is EX_TEMPFAIL of sysexits.h, which schedulers take for "run it again".
"""

# What shells report of a command that a signal has ended.
_BY_SIGNAL = 128

Handler = Callable[[int, FrameType | None], None]


class Stopped(KeyboardInterrupt):
    """SIGTERM was received, or work ended early because of a signal.

    Args:
        message: What was done with the work so far; one line.
        number: The signal.
    """

    def __init__(self, message: str = "", number: int = signal.SIGTERM) -> None:
        super().__init__(message)
        self.message = message
        self.number = number


@contextlib.contextmanager
def handled(numbers: Sequence[int], handler: Handler) -> Iterator[None]:
    """Inside, signals call a handler. Outside of the main thread, where that is impossible, not.

    Args:
        numbers: The signals.
        handler: What they call, in the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, former in before.items():
            # One that no Python code installed cannot be installed again.
            signal.signal(number, signal.SIG_DFL if former is None else former)


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Inside, SIGTERM and Ctrl-C are deferred: for work that must not be left half done."""
    came: list[int] = []
    with handled([signal.SIGTERM, signal.SIGINT], lambda number, frame: came.append(number)):
        yield
    for number in came:
        signal.raise_signal(number)


@contextlib.contextmanager
def sigterm_raises() -> Iterator[None]:
    """Inside, SIGTERM raises `Stopped`, so that files and worker processes are cleaned up.

    A second SIGTERM ends the process at once. Where SIGTERM has a handler already, or is
    ignored, it stays as it is.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise Stopped(number=number)

    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    with handled([signal.SIGTERM], stop):
        yield


def outcome(error: KeyboardInterrupt, resumes: bool) -> tuple[str, int]:
    """The message and exit code of a stopped command.

    Args:
        error: What stopped it.
        resumes: Whether the same command takes up the work where it was stopped.
    """
    message = error.message if isinstance(error, Stopped) else ""
    number = error.number if isinstance(error, Stopped) else signal.SIGINT
    if resumes:
        return f"{message or 'stopped'}; the same command resumes", STOPPED
    return message or "interrupted", _BY_SIGNAL + number
