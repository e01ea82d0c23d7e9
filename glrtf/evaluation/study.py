"""The study of glrtf.tune: trials in one process or several, kept in a journal."""

import dataclasses
import multiprocessing
import os
import time
from collections.abc import Callable
from typing import Any

from glrtf.config.evaluation import TuneConfig, retrieve_settings
from glrtf.evaluation import search_space
from glrtf.evaluation.search_space import Parameter
from glrtf.evaluation.tune_problem import Problem
from glrtf.retrieval.processors import usable_processors
from tfrecords_tools import allocator, files
from tfrecords_tools.errors import UserError, how_to_install
from tfrecords_tools.progress import Progress

JOURNAL = "journal.log"


def open_problem(config: TuneConfig) -> Problem:
    """Checks the inputs, and opens or resumes the journal.

    Raises:
        UserError: If an input is wrong or the output holds another study.
    """
    _require_optuna()
    problem = Problem(config)
    open_journal(config, problem.parameters)
    return problem


def open_journal(config: TuneConfig, parameters: tuple[Parameter, ...]) -> Any:
    """The study of finished trials on the disk, made where it is not there yet.

    Raises:
        UserError: If the journal is of a study with other inputs or settings.
    """
    import optuna
    from optuna.storages.journal import JournalStorage

    from glrtf.evaluation.journal import SealedJournal

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    files.make_folder(config.output)
    path = files.join(config.output, JOURNAL)
    journal = optuna.create_study(
        storage=JournalStorage(SealedJournal(path)),
        study_name="glrtf",
        direction="maximize",
        load_if_exists=True,
    )
    problem = _description(config, parameters)
    known = journal.user_attrs.get("problem")
    if known is None:
        journal.set_user_attr("problem", problem)
    elif known != problem:
        differing = sorted(name for name in problem if known.get(name) != problem[name])
        raise UserError(
            f"{path}: is the journal of a study with another {', '.join(differing)}; "
            "choose another --output, or the settings it began with"
        )
    return journal


def run_trials(config: TuneConfig, problem: Problem) -> None:
    """Makes the searches, then runs trials until the study has as many finished ones as wanted."""
    journal = open_journal(config, problem.parameters)
    done = len(finished_trials(journal))
    if done >= config.trials:
        return
    context = multiprocessing.get_context("spawn")
    searched = context.Event()
    others = [
        context.Process(target=_work_beside, args=(config, worker, searched), daemon=True)
        for worker in range(1, config.workers)
    ]
    for process in others:
        process.start()
    with Progress("search once", 1, "round") as progress:
        problem.search_widely()
        progress.update()
    searched.set()
    with Progress("tune", config.trials - done, "trial") as progress:

        def tell(finished: int, note: str) -> None:
            nonlocal done
            progress.update(finished - done, note)
            done = finished

        _work(config, 0, problem, tell)
        for process in others:
            process.join()
        tell(len(finished_trials(journal)), best_note(journal))
    if failed := [process.exitcode for process in others if process.exitcode]:
        raise RuntimeError(f"{len(failed)} of {config.workers} tune workers ended by a fault")


def _work_beside(config: TuneConfig, worker: int, searched: Any) -> None:
    """A further process: it reads the inputs, waits for the searches, and runs trials."""
    # Its import takes as long as many trials: while the searches are made, it costs nothing.
    _require_optuna()
    problem = Problem(config)
    searched.wait()
    problem.search_widely()
    _work(config, worker, problem)


def _work(
    config: TuneConfig,
    worker: int,
    problem: Problem,
    tell: Callable[[int, str], None] | None = None,
) -> None:
    """Runs trials in this process until all workers together have enough."""
    import threadpoolctl

    # Workers whose products each take all processors would only wait for one another.
    threads = max(1, usable_processors() // config.workers)
    # A trial is hundreds of short-lived arrays.
    allocator.keep_freed_memory()
    with threadpoolctl.threadpool_limits(threads):
        trials = SharedTrials(config, problem, worker)
        while (finished := len(finished_trials(trials.journal))) < config.trials:
            if tell:
                tell(finished, best_note(trials.journal))
            trials.run_one()


class SharedTrials:
    """One process's trials, drawn in memory and shared through the journal.

    The journal gets a finished trial as one entry: a trial is there whole or
    not at all, and costs one flush to the disk instead of one a parameter.

    Args:
        config: The study's settings.
        problem: What is tuned.
        worker: This process's number.

    Attributes:
        journal: The study on the disk.
    """

    def __init__(self, config: TuneConfig, problem: Problem, worker: int) -> None:
        import optuna

        self.journal = open_journal(config, problem.parameters)
        self._problem = problem
        done = len(finished_trials(self.journal))
        # A resumed study must not draw again what it drew at its start.
        sampler = optuna.samplers.TPESampler(seed=config.seed + 1000 * worker + done)
        self._local = optuna.create_study(direction="maximize", sampler=sampler)
        self._name = f"{worker}-{os.getpid()}-{time.time_ns()}"
        self._known: set[int] = set()
        values = search_space.current_values(config, problem.parameters)
        if worker == 0 and done == 0 and values is not None:
            self._local.enqueue_trial(values)

    def run_one(self) -> None:
        """Draws one trial with all that is known, runs it, and shares it."""
        import optuna

        self._learn()
        began = time.monotonic()
        trial = self._local.ask()
        values = search_space.suggest(trial, self._problem.parameters)
        settings = search_space.replaced(self._problem.base, values)
        value = float(self._problem.average_precisions(settings, self._problem.tune).mean())
        drawn = self._local.tell(trial, value)
        self.journal.add_trial(
            optuna.trial.create_trial(
                params=values,
                distributions=drawn.distributions,
                value=value,
                user_attrs={"by": self._name, "seconds": round(time.monotonic() - began, 4)},
            )
        )

    def _learn(self) -> None:
        """Takes over what other processes, or earlier runs, have shared."""
        for trial in finished_trials(self.journal):
            if trial.number not in self._known:
                self._known.add(trial.number)
                if trial.user_attrs.get("by") != self._name:
                    self._local.add_trial(trial)


def finished_trials(journal: Any) -> list[Any]:
    """The journal's finished trials, by number."""
    return [t for t in journal.get_trials(deepcopy=False) if t.value is not None]


def best_note(journal: Any) -> str:
    """The best value so far, for people."""
    values = [trial.value for trial in finished_trials(journal)]
    return f"best mAP@100 {max(values):.4f}" if values else ""


def _description(config: TuneConfig, parameters: tuple[Parameter, ...]) -> dict[str, Any]:
    settings = dataclasses.asdict(retrieve_settings(config))
    del settings["output"]
    return {
        "settings": settings,
        "solution": files.sha256(config.solution),
        "holdout": config.holdout,
        "parameters": [parameter.name for parameter in parameters],
    }


def _require_optuna() -> None:
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise UserError(
            f"glrtf.tune needs Optuna, which is not installed: {how_to_install('tune')}"
        ) from None
