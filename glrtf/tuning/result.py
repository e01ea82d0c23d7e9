"""The result of a study, measured on queries that it did not see."""

import dataclasses
from typing import Any

import numpy as np

from glrtf.config.evaluation import TuneConfig
from glrtf.config.retrieval import RetrieveConfig
from glrtf.tuning import search_space
from glrtf.tuning.problem import Problem
from glrtf.tuning.study import finished_trials, open_journal

# PED-ANOVA compares the best tenth of the trials with all.
_FEWEST_FOR_IMPORTANCE = 20


@dataclasses.dataclass(frozen=True)
class TuneResult:
    """The result of a study.

    Attributes:
        baseline: The initial settings.
        best: The settings of the best trial, or the baseline's if no trial is better.
        values: The best trial's parameters.
        tune: (T, 2) float64, average precisions of the queries tuned on, before and after.
        holdout: (H, 2) float64, the same of the queries held out.
        history: (trials, 2) float64: number and value of each finished trial.
        importance: For each parameter, its share of the variance of the values.
        trials: For each finished trial its number, value, seconds and parameters.
    """

    baseline: RetrieveConfig
    best: RetrieveConfig
    values: dict[str, Any]
    tune: np.ndarray
    holdout: np.ndarray
    history: np.ndarray
    importance: dict[str, float]
    trials: list[dict[str, Any]]


def judge_best(config: TuneConfig, problem: Problem) -> TuneResult:
    """Compares the best trial with the initial settings, on both sides of the split."""
    journal = open_journal(config, problem.parameters)
    finished = finished_trials(journal)
    values = dict(max(finished, key=lambda trial: (trial.value, -trial.number)).params)
    best = search_space.replaced(problem.base, values)
    both = np.concatenate([problem.tune, problem.holdout])
    before = problem.average_precisions(problem.base, both)
    after = problem.average_precisions(best, both)
    if after[: len(problem.tune)].mean() <= before[: len(problem.tune)].mean():
        best, after = problem.base, before
        values = {p.name: search_space.get(best, p.name) for p in problem.parameters}
    pairs = np.stack([before, after], axis=1)
    return TuneResult(
        baseline=problem.base,
        best=best,
        values=values,
        tune=pairs[: len(problem.tune)],
        holdout=pairs[len(problem.tune) :],
        history=np.array([[t.number, t.value] for t in finished]),
        importance=_importance(journal),
        trials=[
            {
                "number": t.number,
                "map@100": t.value,
                "seconds": t.user_attrs["seconds"],
                **t.params,
            }
            for t in finished
        ],
    )


def _importance(journal: Any) -> dict[str, float]:
    """PED-ANOVA importances (Watanabe et al., 2023); empty with too few trials."""
    import optuna

    if len(finished_trials(journal)) < _FEWEST_FOR_IMPORTANCE:
        return {}
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    try:
        return dict(optuna.importance.get_param_importances(journal, evaluator=evaluator))
    except (RuntimeError, ValueError):
        return {}
