"""The steps of a retrieval that can be switched on in turn or left out."""

import dataclasses
from collections.abc import Callable

from glrtf.config.retrieval import RetrieveConfig
from glrtf.tuning.search_space import replaced
from tfrecords_tools.errors import UserError


@dataclasses.dataclass(frozen=True)
class Step:
    """A step of the pipeline.

    Attributes:
        name: Its name in tables.
        used: Whether the given settings use it.
        without: The settings without it; the order of several steps does not matter.
    """

    name: str
    used: Callable[[RetrieveConfig], bool]
    without: Callable[[RetrieveConfig], RetrieveConfig]


@dataclasses.dataclass(frozen=True)
class Variant:
    """Settings to compare.

    Attributes:
        name: The step that is switched on last, or left out.
        in_turn: Whether it belongs to the steps switched on in turn; else one
            step is left out.
        settings: The settings.
    """

    name: str
    in_turn: bool
    settings: RetrieveConfig


def _given_non_landmark(config: RetrieveConfig) -> bool:
    return bool(config.non_landmark or config.non_landmark_solution or config.non_landmark_scores)


# In the order in which they are added: no step needs a later one.
STEPS = (
    Step(
        "DBA",
        lambda c: c.dba_rows != "none" and c.dba.n > 1,
        lambda c: replaced(c, {"dba.rows": "none"}),
    ),
    Step(
        "query expansion",
        lambda c: c.query_expansion.n > 0,
        lambda c: replaced(c, {"query_expansion.n": 0}),
    ),
    Step(
        "re-ranking",
        lambda c: c.rerank.method != "none",
        lambda c: replaced(c, {"rerank.method": "none"}),
    ),
    Step(
        "bridging",
        lambda c: c.bridged,
        lambda c: dataclasses.replace(c, preset="direct_dba", label_vote_weight=0.0),
    ),
    Step(
        "non-landmark penalty",
        lambda c: c.bridged and _given_non_landmark(c) and c.landmark.non_landmark_weight > 0,
        lambda c: replaced(c, {"landmark.non_landmark_weight": 0.0}),
    ),
    Step(
        "several neighbours a landmark",
        lambda c: c.bridged and c.landmark.per_landmark > 1,
        lambda c: replaced(c, {"landmark.per_landmark": 1}),
    ),
    Step(
        "several landmarks an image",
        lambda c: c.bridged and c.landmark.keep > 1,
        lambda c: replaced(c, {"landmark.keep": 1}),
    ),
    Step(
        "bonus of the best landmark",
        lambda c: c.bridged and c.landmark.best_bonus > 0,
        lambda c: replaced(c, {"landmark.best_bonus": 0.0}),
    ),
    Step(
        "powers in the fusion",
        lambda c: c.bridged and (c.fusion.direct_power, c.fusion.bridge_power) != (1.0, 1.0),
        lambda c: replaced(c, {"fusion.direct_power": 1.0, "fusion.bridge_power": 1.0}),
    ),
    Step(
        "label votes",
        lambda c: c.bridged and c.label_vote_weight > 0,
        lambda c: replaced(c, {"label_vote_weight": 0.0}),
    ),
    Step(
        "ties broken by the bridge",
        lambda c: c.bridged and c.fusion.tie_break == "bridge",
        lambda c: replaced(c, {"fusion.tie_break": "image_id"}),
    ),
    Step(
        "landmark sort",
        lambda c: c.landmark_rerank.steps != "none",
        lambda c: replaced(c, {"landmark_rerank.steps": "none"}),
    ),
    Step(
        "landmark insertion",
        lambda c: c.landmark_rerank.steps == "sort_insert",
        lambda c: replaced(c, {"landmark_rerank.steps": "sort"}),
    ),
    Step(
        "verification",
        lambda c: bool(c.verifier),
        lambda c: replaced(c, {"verifier": "", "verifier_images": ""}),
    ),
)


def variants(config: RetrieveConfig) -> list[Variant]:
    """The variants to compare: the steps switched on in turn, then each one left out.

    The first variant is direct similarity alone; the last of those in turn has
    the settings as given. Steps that the settings do not use are omitted.

    Raises:
        UserError: If the settings use no step.
    """
    steps = [step for step in STEPS if step.used(config)]
    if not steps:
        raise UserError(
            f"--preset {config.preset}: expected steps to switch off, found direct similarity alone"
        )
    settings = [config]
    for step in reversed(steps):
        settings.append(step.without(settings[-1]))
    names = ["direct similarity", *(f"+ {step.name}" for step in steps)]
    in_turn = [
        Variant(name, True, one) for name, one in zip(names, reversed(settings), strict=True)
    ]
    return in_turn + [
        Variant(f"without {step.name}", False, step.without(config)) for step in steps
    ]
