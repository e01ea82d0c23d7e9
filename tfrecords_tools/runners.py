"""The same jobs in this process, in a pool of processes, or as one task of many."""

import concurrent.futures
import contextlib
import itertools
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from tfrecords_tools.errors import UserError

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")


def default_workers() -> int:
    """One for each processor this process may use."""
    return len(os.sched_getaffinity(0))


def own_jobs(jobs: Sequence[JobT], task_index: int, num_tasks: int) -> Sequence[JobT]:
    """The jobs of one of `num_tasks` machines: every num_tasks-th."""
    return jobs[task_index::num_tasks]


def run_jobs(
    function: Callable[[JobT], ResultT], jobs: Iterable[JobT], workers: int
) -> Iterator[ResultT]:
    """Runs a function on each job and yields the results as they come.

    At most two jobs a worker are handed out ahead, so that jobs may be made lazily.
    The first exception ends the run; jobs that have begun are completed first.

    Args:
        function: A module's function; with more than one worker it and its
            jobs travel to other processes.
        jobs: Their order is the order they begin in.
        workers: How many processes; 1 runs everything in this one.

    Raises:
        UserError: If a worker process was killed.
    """
    if workers == 1:
        yield from map(function, jobs)
        return
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, spawn) as pool:
        waiting = iter(jobs)
        pending = {pool.submit(function, job) for job in itertools.islice(waiting, 2 * workers)}
        try:
            while pending:
                done, pending = concurrent.futures.wait(
                    pending, return_when=concurrent.futures.FIRST_COMPLETED
                )
                pending |= {
                    pool.submit(function, job) for job in itertools.islice(waiting, len(done))
                }
                for future in done:
                    yield future.result()
        except BrokenProcessPool:
            raise UserError(
                "a worker process was killed, perhaps for want of memory; run the same "
                "command again to go on, with fewer --workers"
            ) from None
        finally:
            with contextlib.suppress(BrokenProcessPool):
                pool.shutdown(wait=True, cancel_futures=True)
