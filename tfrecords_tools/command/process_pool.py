"""Pools of worker processes that never outlive their parent."""

import concurrent.futures
import contextlib
import multiprocessing
import multiprocessing.connection
import multiprocessing.resource_tracker
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from tfrecords_tools.command import stopping

# Who stops a command may signal its workers first. How long its own signal may take.
_SECONDS_TO_THE_SIGNAL = 0.5


@contextlib.contextmanager
def deaf_to_ctrl_c() -> Iterator[None]:
    """Blocks Ctrl-C, which a terminal sends to all processes, in processes started inside.

    The parent handles Ctrl-C. A process whose start was interrupted would end with a traceback, so
    signals to the parent are delayed as well.
    """
    with stopping.deferred():
        # It unblocks Ctrl-C when it starts, which the first process would do otherwise.
        multiprocessing.resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Pool(concurrent.futures.ProcessPoolExecutor):
    """Its workers, started when a job is submitted, ignore Ctrl-C."""

    def submit(
        self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> concurrent.futures.Future:
        with deaf_to_ctrl_c():
            return super().submit(fn, *args, **kwargs)


@contextlib.contextmanager
def process_pool(workers: int) -> Iterator[concurrent.futures.ProcessPoolExecutor]:
    """A pool whose processes end with the block.

    After KeyboardInterrupt (Ctrl-C, SIGTERM) they end immediately, in the middle of their jobs;
    otherwise they complete the jobs that have started, and no others. They also end when this
    process is killed.

    Args:
        workers: How many processes.

    Raises:
        BrokenProcessPool: If a worker was killed, and no signal stops this process as well. Catch
            it outside the block.
    """
    # Forking a process that runs threads (TensorFlow's) can hang; spawning cannot.
    spawn = multiprocessing.get_context("spawn")
    reader, writer = spawn.Pipe(duplex=False)
    pool = _Pool(workers, spawn, _follow, (reader,))
    try:
        yield pool
    except KeyboardInterrupt:
        writer.close()
        raise
    except concurrent.futures.process.BrokenProcessPool:
        time.sleep(_SECONDS_TO_THE_SIGNAL)
        raise
    finally:
        with contextlib.suppress(concurrent.futures.process.BrokenProcessPool):
            pool.shutdown(wait=True, cancel_futures=True)
        writer.close()
        reader.close()


def _follow(reader: multiprocessing.connection.Connection) -> None:
    """Ends a worker when its parent is killed or closes the other end of the pipe."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel, reader])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
