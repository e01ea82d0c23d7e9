"""The processes of glrtf tune: the first writes the journal, the others run trials for it."""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from glrtf.config.evaluation import TuneConfig
from glrtf.retrieval.processors import usable_processors
from glrtf.tuning import study
from glrtf.tuning.problem import Problem
from glrtf.tuning.study import SharedTrials, best_note, finished_trials
from tfrecords_tools.command import allocator, process_pool
from tfrecords_tools.errors import UserError
from tfrecords_tools.progress import Progress
from tfrecords_tools.storage import file_systems, temporary_files


def run_trials(config: TuneConfig, problem: Problem) -> None:
    """Runs the searches, then trials until the study has exactly the wanted number.

    If a worker dies, only its trial is lost, and another worker runs it.

    Raises:
        UserError: If another process is working on this study.
    """
    journal = study.open_journal(config, problem.parameters)
    with _alone(config.output):
        for folder in (config.output, problem.cache_folder):
            temporary_files.remove_stale(folder)
        done = len(finished_trials(journal))
        if done >= config.trials:
            return
        tickets = _Tickets(config.trials - done)
        searched = threading.Event()
        lock = threading.Lock()

        def share(trial: Any) -> None:
            with lock:
                study.share(journal, trial)
                progress.update(1, best_note(journal))

        numbers = range(1, min(config.workers, tickets.left))
        helpers = [_Helper(config, worker, tickets, searched, share) for worker in numbers]
        with Progress("search once", 1, "round") as search:
            problem.fill_cache()
            search.update()
        with (
            Progress("tune", config.trials - done, "trial") as progress,
            _share_of_processors(config.workers),
        ):
            searched.set()
            _run_own(SharedTrials(config, problem, 0), tickets, share, helpers)
    for fault in filter(None, (helper.fault for helper in helpers)):
        print(f"note: {fault}; the others ran its trials", file=sys.stderr)


def _run_own(
    trials: SharedTrials,
    tickets: "_Tickets",
    share: Callable[[Any], None],
    helpers: "Sequence[_Helper]",
) -> None:
    """Runs trials here until all are done, including those of workers that died."""
    while tickets.left:
        while tickets.take():
            share(trials.run_one())
        for helper in helpers:
            helper.join()


class _Tickets:
    """The number of trials left to start, shared by several threads."""

    def __init__(self, left: int) -> None:
        self.left = left
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Takes the right to run one trial, if one is left."""
        with self._lock:
            taken = self.left > 0
            self.left -= taken
            return taken

    def give_back(self) -> None:
        """Returns the right, so that another worker can run the trial."""
        with self._lock:
            self.left += 1


class _Helper:
    """Another process that runs trials, and the thread that passes them to it.

    Args:
        config: The study's settings.
        worker: Its number, from 1.
        tickets: Trials left to start.
        searched: Set once the search results are on disk.
        share: Takes a finished trial.
    """

    def __init__(
        self,
        config: TuneConfig,
        worker: int,
        tickets: _Tickets,
        searched: threading.Event,
        share: Callable[[Any], None],
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._worker = worker
        self._process = context.Process(
            target=_run_worker, args=(config, worker, theirs), daemon=True
        )
        with process_pool.deaf_to_ctrl_c():
            self._process.start()
        # With this end closed, the connection ends when the process dies.
        theirs.close()
        self._thread = threading.Thread(
            target=self._serve, args=(tickets, searched, share), daemon=True
        )
        self._thread.start()

    def join(self) -> None:
        """Waits until the process has ended."""
        self._thread.join()
        self._process.join()

    @property
    def fault(self) -> str:
        """How the process ended before its work was done; empty if it finished."""
        code = self._process.exitcode
        if not code:
            return ""
        how = (
            f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        )
        return f"tune worker {self._worker} {how}"

    def _serve(
        self, tickets: _Tickets, searched: threading.Event, share: Callable[[Any], None]
    ) -> None:
        taken = False
        try:
            self._connection.recv()
            searched.wait()
            while taken := tickets.take():
                self._connection.send(True)
                share(self._connection.recv())
            self._connection.send(False)
        except (EOFError, OSError, UserError):
            # It died, or the journal cannot be written: running the trial will report that.
            if taken:
                tickets.give_back()
        finally:
            self._connection.close()


def _run_worker(config: TuneConfig, worker: int, connection: Any) -> None:
    """Runs in another process: reads the inputs and runs trials on request."""
    _end_with_parent()
    trials = None
    try:
        problem = Problem(config)
        connection.send("ready")
        with _share_of_processors(config.workers):
            while connection.recv():
                if trials is None:
                    problem.fill_cache()
                    trials = SharedTrials(config, problem, worker)
                connection.send(trials.run_one())
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except (UserError, OSError) as error:
        print(f"glrtf tune: worker {worker}: {error}", file=sys.stderr)
        sys.exit(2)


def _end_with_parent() -> None:
    """Ends this process as soon as its parent has died, for whatever reason."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        multiprocessing.connection.wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def _share_of_processors(workers: int) -> Iterator[None]:
    """Limits each worker to its share of the processors.

    Products that each use all of them would wait for one another.
    """
    import threadpoolctl

    # A trial allocates hundreds of short-lived arrays.
    allocator.keep_freed_memory()
    with threadpoolctl.threadpool_limits(max(1, usable_processors() // workers)):
        yield


@contextlib.contextmanager
def _alone(folder: str) -> Iterator[None]:
    """Prevents a second command from working on the same study."""
    with file_systems.locked(folder) as ours:
        if not ours:
            raise UserError(
                f"{folder}: another glrtf tune works on this study; wait for it, or choose another"
                " --output"
            )
        yield
