"""Ctrl-C and SIGTERM: stop commands before their work is done."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

STOPPED = 75
"""Exit code of a command that was stopped and that the same command resumes.

It is EX_TEMPFAIL of sysexits.h, which schedulers interpret as "run it again".
"""

# The exit codes that shells report for a command ended by a signal.
_BY_SIGNAL = 128

Handler = Callable[[int, FrameType | None], None]


class Stopped(KeyboardInterrupt):
    """SIGTERM was received, or work ended early because of a signal.

    Args:
        message: What happened to the work so far; one line.
        number: The signal.
    """

    def __init__(self, message: str = "", number: int = signal.SIGTERM) -> None:
        super().__init__(message)
        self.message = message
        self.number = number


@contextlib.contextmanager
def handled(numbers: Sequence[int], handler: Handler) -> Iterator[None]:
    """Signals call a handler inside this context, if this is the main thread.

    Args:
        numbers: The signals.
        handler: The handler, called in the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, former in before.items():
            # A handler that Python did not install cannot be restored.
            signal.signal(number, signal.SIG_DFL if former is None else former)


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Defers SIGTERM and Ctrl-C, for work that must not be left half done.

    The signal is raised even if the work failed: the same signal may have ended a process that the
    work needed, and a stopped command must report the stop.
    """
    came: list[int] = []
    try:
        with handled([signal.SIGTERM, signal.SIGINT], lambda number, frame: came.append(number)):
            yield
    finally:
        for number in came:
            signal.raise_signal(number)


@contextlib.contextmanager
def sigterm_raises() -> Iterator[None]:
    """SIGTERM raises `Stopped` inside, so that files and worker processes are cleaned up.

    A second SIGTERM ends the process immediately. If SIGTERM already has a handler, or is ignored,
    nothing changes.
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
        resumes: Whether the same command resumes the work.
    """
    message = error.message if isinstance(error, Stopped) else ""
    number = error.number if isinstance(error, Stopped) else signal.SIGINT
    if resumes:
        return f"{message or 'stopped'}; the same command resumes", STOPPED
    return message or "interrupted", _BY_SIGNAL + number
