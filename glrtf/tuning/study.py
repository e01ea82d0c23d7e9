"""The study of glrtf tune: draws and runs trials, and keeps them in a journal."""

import dataclasses
import os
import time
from typing import Any

import numpy as np

from glrtf.config.evaluation import TuneConfig, retrieve_settings
from glrtf.config.paths import with_absolute_paths
from glrtf.tuning import search_space
from glrtf.tuning.problem import Problem
from glrtf.tuning.search_space import Parameter
from tfrecords_tools.errors import UserError, optional_package
from tfrecords_tools.storage import files

JOURNAL = "journal.log"


def open_problem(config: TuneConfig) -> Problem:
    """Checks the inputs, and opens or resumes the journal.

    Raises:
        UserError: If an input is wrong or the output contains another study.
    """
    optional_package("optuna", "glrtf tune", "Optuna", "tune")
    problem = Problem(config)
    open_journal(config, problem.parameters)
    return problem


def open_journal(config: TuneConfig, parameters: tuple[Parameter, ...]) -> Any:
    """The study of finished trials on disk, created if it does not exist yet.

    Raises:
        UserError: If the journal is of a study with other inputs or settings.
    """
    import optuna
    from optuna.storages.journal import JournalStorage

    from glrtf.tuning.journal import JournalFile

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    files.make_folder(config.output)
    path = files.join(config.output, JOURNAL)
    journal = optuna.create_study(
        storage=JournalStorage(JournalFile(path)),
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
            "choose another --output, or the settings it started with"
        )
    return journal


class SharedTrials:
    """One process's trials, drawn in memory from the entries of the journal.

    A draw depends only on the seed, the worker and the finished trials, so a study with one worker
    draws the same trials however often it was stopped.

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
        self._seed = (config.seed % 2**64, worker)
        self._local = optuna.create_study(direction="maximize")
        self._name = f"{worker}-{os.getpid()}-{time.time_ns()}"
        self._known: set[int] = set()
        values = search_space.current_values(config, problem.parameters)
        if worker == 0 and not finished_trials(self.journal) and values is not None:
            self._local.enqueue_trial(values)

    def run_one(self) -> Any:
        """Draws and runs one trial, using all finished trials; `share` adds it to the journal.

        Returns:
            The finished trial, an ``optuna.trial.FrozenTrial``.
        """
        import optuna

        self._learn()
        state = np.random.SeedSequence((*self._seed, len(self._known))).generate_state(1)
        # A generator that lives longer than a trial would be in another state after a restart.
        self._local.sampler = optuna.samplers.TPESampler(seed=int(state[0]))
        began = time.monotonic()
        trial = self._local.ask()
        values = search_space.suggest(trial, self._problem.parameters)
        settings = search_space.replaced(self._problem.base, values)
        value = float(self._problem.average_precisions(settings, self._problem.tune).mean())
        drawn = self._local.tell(trial, value)
        return optuna.trial.create_trial(
            params=values,
            distributions=drawn.distributions,
            value=value,
            user_attrs={"by": self._name, "seconds": round(time.monotonic() - began, 4)},
        )

    def _learn(self) -> None:
        """Reads what other processes or earlier runs have shared."""
        for trial in finished_trials(self.journal):
            if trial.number not in self._known:
                self._known.add(trial.number)
                if trial.user_attrs.get("by") != self._name:
                    self._local.add_trial(trial)


def share(journal: Any, trial: Any) -> None:
    """Adds a finished trial to the journal as one entry, completely or not at all."""
    journal.add_trial(trial)


def finished_trials(journal: Any) -> list[Any]:
    """The journal's finished trials, by number."""
    return [t for t in journal.get_trials(deepcopy=False) if t.value is not None]


def best_note(journal: Any) -> str:
    """The best value so far, as text for the user."""
    values = [trial.value for trial in finished_trials(journal)]
    return f"best mAP@100 {max(values):.4f}" if values else ""


def _description(config: TuneConfig, parameters: tuple[Parameter, ...]) -> dict[str, Any]:
    settings = with_absolute_paths(dataclasses.asdict(retrieve_settings(config)))
    # A bundle's files and settings are in their places by now.
    del settings["output"], settings["bundle"]
    return {
        "settings": settings,
        "solution": files.sha256(config.solution),
        "holdout": config.holdout,
        "parameters": [parameter.name for parameter in parameters],
    }
