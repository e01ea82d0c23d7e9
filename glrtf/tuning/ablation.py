"""How well every variant of a retrieval ranks, and how long it takes."""

import contextlib
import dataclasses
import io
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from glrtf.config.evaluation import AblateConfig, retrieve_settings
from glrtf.evaluation import bootstrap
from glrtf.evaluation.ranking_score import RankingScorer
from glrtf.evaluation.solutions import read_retrieval_solution
from glrtf.evaluation.summary import parts
from glrtf.photos.verifiers import verifier_of
from glrtf.retrieval.growing import Blocks, Growth
from glrtf.retrieval.stage_cache import StageCache
from glrtf.tuning import ablation_steps
from glrtf.tuning.ablation_steps import Variant
from tfrecords_tools.progress import Progress
from tfrecords_tools.storage import files, json_shapes


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: The variant.
        in_turn: Whether it belongs to the steps that are switched on in turn.
        maps: mAP@100 of each part of the test set.
        interval: The 95 % interval of the mAP@100 of all queries.
        difference: The change in the mAP@100 of all queries that the step makes in turn, or without
            it (negative if it helps); None for the first line.
        difference_interval: Its paired 95 % interval.
        seconds: The time that the variant takes on its own.
    """

    name: str
    in_turn: bool
    maps: dict[str, float]
    interval: tuple[float, float]
    difference: float | None
    difference_interval: tuple[float, float] | None
    seconds: float


class TimedCache(StageCache):
    """A `StageCache` that records how long each stage's arrays took to compute.

    Variants share their searches, but each is charged the seconds that it would take alone. The
    seconds are kept next to the arrays for later runs.

    Args:
        folder: Where arrays and seconds are kept.
    """

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        self._path_of_seconds = files.join(folder, "seconds.json")
        known = files.exists(self._path_of_seconds)
        self._known: dict[str, float] = (
            json_shapes.read(self._path_of_seconds, dict[str, float]) if known else {}
        )
        self.saved = 0.0

    def arrays(
        self,
        stage: str,
        key: Mapping[str, Any],
        rows: int,
        blocks: Blocks,
        growth: Growth | None = None,
    ) -> tuple[np.ndarray, ...]:
        """A stage's arrays; see `StageCache.arrays`."""
        name = files.json_digest([stage, key])
        began = time.monotonic()
        result = super().arrays(stage, key, rows, blocks, growth)
        took = time.monotonic() - began
        if name in self._known:
            self.saved += self._known[name] - took
        else:
            self._known[name] = took
            files.write_json(self._path_of_seconds, self._known)
        return result

    def add_seconds(self, stage: str, took: float, saved: float) -> None:
        """Notes what a stage took; see `StageCache.add_seconds`."""
        super().add_seconds(stage, took, saved)
        self.saved += saved


def ablate(config: AblateConfig) -> list[Row]:
    """Ranks with every variant and scores it.

    Raises:
        UserError: If an input is missing or invalid.
    """
    from glrtf.retrieval.inputs import Inputs

    base = retrieve_settings(config)
    variants = ablation_steps.variants(base)
    solution = read_retrieval_solution(config.solution)
    inputs = Inputs(base)
    scorer = RankingScorer(solution, inputs.query.ids, inputs.index.ids, "--query")
    cache = TimedCache(files.join(config.output, "cache"))
    precisions, seconds = [], []
    with Progress("ablate", len(variants), "variant") as progress:
        for variant in variants:
            one, took = _run(variant, inputs, scorer, cache)
            precisions.append(one)
            seconds.append(took)
            progress.update(1, f"{variant.name} {one.mean():.4f}")
    usage = np.array([solution.usage[inputs.query.ids[row].decode()] for row in scorer.rows])
    return table_rows(variants, precisions, seconds, usage, config.resamples)


def table_rows(
    variants: Sequence[Variant],
    precisions: Sequence[np.ndarray],
    seconds: Sequence[float],
    usage: np.ndarray,
    resamples: int,
) -> list[Row]:
    """The table's lines from each variant's average precisions.

    Args:
        variants: The variants, those in turn first.
        precisions: For each (Q,) float64.
        seconds: For each, the time it took.
        usage: (Q,) str, ``Public`` or ``Private``.
        resamples: Bootstrap resamples.
    """
    full = max(place for place, variant in enumerate(variants) if variant.in_turn)
    rows = []
    for place, variant in enumerate(variants):
        values = precisions[place]
        before = place - 1 if variant.in_turn else full
        gains = values - precisions[before] if place else None
        rows.append(
            Row(
                name=variant.name,
                in_turn=variant.in_turn,
                maps={part: float(values[mask].mean()) for part, mask in parts(usage).items()},
                interval=bootstrap.mean_interval(values, resamples=resamples),
                difference=None if gains is None else float(gains.mean()),
                difference_interval=None
                if gains is None
                else bootstrap.mean_interval(gains, resamples=resamples),
                seconds=seconds[place],
            )
        )
    return rows


def _run(
    variant: Variant, inputs: Any, scorer: RankingScorer, cache: TimedCache
) -> tuple[np.ndarray, float]:
    from glrtf.retrieval.pipeline import Pipeline

    cache.saved = 0.0
    began = time.monotonic()
    # Otherwise each step would report its progress for every variant.
    with contextlib.redirect_stderr(io.StringIO()):
        verifier = verifier_of(variant.settings)
        ranking = Pipeline(variant.settings, cache, inputs, verifier).rank()
    took = time.monotonic() - began + cache.saved
    everyone = np.arange(len(scorer.rows))
    return scorer.average_precisions(ranking.images[scorer.rows], everyone), took
