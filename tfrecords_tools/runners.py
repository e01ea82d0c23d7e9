"""The same jobs in this process, in a pool of processes, as one task of many, or on Beam."""

import concurrent.futures
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import numpy as np

from tfrecords_tools.build_config import BuildConfig
from tfrecords_tools.command.process_pool import process_pool
from tfrecords_tools.errors import UserError
from tfrecords_tools.progress import Progress
from tfrecords_tools.specs import Fold

_SMALL = 64 << 20

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")


class WorkerDiedError(UserError):
    """A worker process was killed or crashed."""


def run_shards(fold: Fold, config: BuildConfig) -> None:
    """Writes this task's shards of a fold that do not exist yet, each with its receipt."""
    numbers = range(config.task_index, fold.plan.num_shards, config.num_tasks)
    if config.runner == "beam":
        from tfrecords_tools import beam_runner

        beam_runner.run(fold, numbers, config.beam_options)
        return
    starts = fold.plan.starts
    total = sum(int(starts[number + 1] - starts[number]) for number in numbers)
    num_bytes = int(fold.plan.images.sizes.sum(dtype=np.int64))
    workers, megabytes = count_workers(config.workers, len(numbers), num_bytes), 0.0
    # Without a pool a child process decodes, which starts faster than a worker.
    here = workers == 1 and (config.workers == 1 or num_bytes <= _SMALL)
    from tfrecords_tools import worker_deaths

    with Progress(f"build {fold.name}", total, "image") as progress:
        for done in worker_deaths.write_shards(fold, numbers, 0 if here else workers):
            megabytes += done.source_bytes / 1e6
            progress.update(sum(done.fates.values()), f"{megabytes / progress.seconds:.1f} MB/s")


def count_workers(wanted: int | None, num_jobs: int, num_bytes: int) -> int:
    """How many processes the settings allow and the jobs can use.

    Args:
        wanted: What the user set, None to choose.
        num_jobs: Number of jobs.
        num_bytes: How much they read; small jobs are finished before a process has started.
    """
    by_default = len(os.sched_getaffinity(0)) if num_bytes > _SMALL else 1
    allowed = wanted or by_default
    return max(1, min(allowed, num_jobs))


def run_jobs(
    function: Callable[[JobT], ResultT], jobs: Iterable[JobT], workers: int, apart: bool = False
) -> Iterator[ResultT]:
    """Runs a function on each job and yields the results as they come.

    At most two jobs per worker are submitted in advance, so that jobs can be created lazily. The
    first exception ends the run; jobs that have started are completed first, except for Ctrl-C and
    SIGTERM, which end them.

    Args:
        function: A module's function; with more than one worker it and its jobs are sent to other
            processes.
        jobs: They start in this order.
        workers: How many processes; 1 runs everything in this process.
        apart: Whether 1 worker also means a separate process.

    Raises:
        WorkerDiedError: If a worker process was killed.
    """
    if workers == 1 and not apart:
        yield from map(function, jobs)
        return
    try:
        with process_pool(workers) as pool:
            yield from _in_turn(pool, function, iter(jobs), ahead=2 * workers)
    except BrokenProcessPool:
        raise WorkerDiedError(
            "a worker process was killed, perhaps because memory ran out; run the same command "
            "again, with fewer worker processes"
        ) from None


def _in_turn(
    pool: concurrent.futures.Executor,
    function: Callable[[JobT], ResultT],
    waiting: Iterator[JobT],
    ahead: int,
) -> Iterator[ResultT]:
    """The results of a pool that is given at most so many jobs ahead."""
    pending = {pool.submit(function, job) for job in itertools.islice(waiting, ahead)}
    while pending:
        done, pending = concurrent.futures.wait(
            pending, return_when=concurrent.futures.FIRST_COMPLETED
        )
        pending |= {pool.submit(function, job) for job in itertools.islice(waiting, len(done))}
        for future in done:
            yield future.result()
