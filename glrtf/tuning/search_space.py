"""Which retrieval settings are tuned, in which range, and how they are set."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any, cast

from glrtf.config.retrieval import RetrieveConfig
from tfrecords_tools.command.near_words import did_you_mean, separate_with_spaces
from tfrecords_tools.errors import UserError


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A setting of ``glrtf retrieve`` that may be tuned.

    Attributes:
        name: Its dotted name, such as ``landmark.keep``.
        low: The smallest value of a number.
        high: The largest value of a number.
        choices: The possible values if it is not a number; empty for a number.
        logarithmic: Whether a number is drawn on a logarithmic scale.
        bridged: Whether it matters only to a ranking through the train set.
    """

    name: str
    low: float = 0
    high: float = 0
    choices: tuple[Any, ...] = ()
    logarithmic: bool = False
    bridged: bool = False

    @property
    def is_int(self) -> bool:
        """Whether the setting is a whole number."""
        return not self.choices and isinstance(self.low, int)


# The published values lie inside every range: 15 of each part (300 of all), penalty 0.4, 2 a
# landmark, bonus 0.5, 5 landmarks, divisor 3, powers 3, means over 2 rows, nothing beyond.
SPACE = (
    Parameter("train_neighbors.per_part", choices=(5, 10, 15, 30, 60), bridged=True),
    Parameter("train_neighbors.k", 10, 600, logarithmic=True, bridged=True),
    Parameter("landmark.non_landmark_weight", 0.0, 1.0, bridged=True),
    Parameter("landmark.per_landmark", 1, 10, bridged=True),
    Parameter("landmark.aggregate", choices=("sum", "mean"), bridged=True),
    Parameter("landmark.best_bonus", 0.0, 1.5, bridged=True),
    Parameter("landmark.keep", 1, 20, bridged=True),
    Parameter("fusion.bridge_divisor", 1.0, 8.0, logarithmic=True, bridged=True),
    Parameter("fusion.bridge_power", 0.5, 6.0, bridged=True),
    Parameter("fusion.direct_power", 0.5, 6.0, bridged=True),
    Parameter("fusion.tie_break", choices=("image_id", "bridge"), bridged=True),
    Parameter("dba.rows", choices=("test", "index", "both", "none")),
    Parameter("dba.n", 1, 10),
    Parameter("dba.alpha", choices=(None, 0.0, 1.0, 3.0)),
    Parameter("query_expansion.n", 0, 10),
    Parameter("query_expansion.alpha", 0.0, 5.0),
    Parameter("label_vote_weight", 0.0, 1.0, bridged=True),
    Parameter("rerank.k1", 5, 60),
    Parameter("rerank.k2", 1, 20),
    Parameter("rerank.share", 0.0, 1.0),
    Parameter("rerank.gamma", 1.0, 6.0),
    Parameter("rerank.alpha", 0.5, 0.99),
    Parameter("rerank.refine_k", 1, 30),
    Parameter("rerank.beta", 0.0, 1.0),
)


_RERANK_METHODS = {
    "rerank.k1": "k_reciprocal",
    "rerank.k2": "k_reciprocal",
    "rerank.share": "k_reciprocal",
    "rerank.gamma": "diffusion",
    "rerank.alpha": "diffusion",
    "rerank.refine_k": "superglobal",
    "rerank.beta": "superglobal",
}


def parameters_for(config: RetrieveConfig, names: Sequence[str] = ()) -> tuple[Parameter, ...]:
    """The parameters to tune.

    Args:
        config: The settings to start from; parameters that they do not use are omitted.
        names: The parameters wanted; empty selects all that have an effect.

    Raises:
        UserError: If a name is unknown, or has no effect with these settings.
    """
    useful = tuple(parameter for parameter in SPACE if _matters(parameter, config))
    if not names:
        if not useful:
            raise UserError(f"--preset {config.preset}: expected settings to tune, found none")
        return useful
    known = {parameter.name: parameter for parameter in SPACE}
    for name in names:
        if name not in known:
            near = (
                separate_with_spaces([name])
                or did_you_mean(name, list(known))
                or f"; known are {', '.join(known)}"
            )
            raise UserError(f"--parameters: {name!r} cannot be tuned{near}")
        if known[name] not in useful:
            raise UserError(f"--parameters: {name} does not matter under these settings")
    return tuple(known[name] for name in names)


def current_values(
    config: RetrieveConfig, parameters: Sequence[Parameter]
) -> dict[str, Any] | None:
    """The parameters' values in the settings; None if one is outside its range."""
    values = {parameter.name: get(config, parameter.name) for parameter in parameters}
    inside = all(
        values[p.name] in p.choices if p.choices else p.low <= values[p.name] <= p.high
        for p in parameters
    )
    return values if inside else None


def suggest(trial: Any, parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Draws a value for each parameter.

    Args:
        trial: An ``optuna.trial.Trial``.
        parameters: What to draw.
    """
    values = {}
    for p in parameters:
        if p.choices:
            values[p.name] = trial.suggest_categorical(p.name, p.choices)
        elif p.is_int:
            values[p.name] = trial.suggest_int(p.name, int(p.low), int(p.high), log=p.logarithmic)
        else:
            values[p.name] = trial.suggest_float(p.name, p.low, p.high, log=p.logarithmic)
    return values


def get(config: RetrieveConfig, name: str) -> Any:
    """A setting by its dotted name."""
    return functools.reduce(getattr, name.split("."), cast(Any, config))


def replaced(config: RetrieveConfig, values: Mapping[str, Any]) -> RetrieveConfig:
    """The settings with some values replaced, by their dotted names."""
    changes: dict[str, Any] = {}
    for name, value in values.items():
        section, _, field = name.partition(".")
        if not field:
            changes[name] = value
            continue
        before = changes.get(section, getattr(config, section))
        changes[section] = dataclasses.replace(before, **{field: value})
    return dataclasses.replace(config, **changes)


def _matters(parameter: Parameter, config: RetrieveConfig) -> bool:
    if parameter.bridged and not config.bridged:
        return False
    if parameter.name.startswith("dba."):
        return config.preset != "direct"
    if parameter.name in _RERANK_METHODS:
        return config.rerank.method == _RERANK_METHODS[parameter.name]
    if parameter.name == "train_neighbors.per_part":
        return config.train_neighbors.per_part > 0
    if parameter.name == "train_neighbors.k":
        return config.train_neighbors.per_part == 0
    if parameter.name == "landmark.non_landmark_weight":
        given = (config.non_landmark, config.non_landmark_solution, config.non_landmark_scores)
        return any(given)
    return True
