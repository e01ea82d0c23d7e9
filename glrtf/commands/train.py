"""Command: train one embedding model."""

import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from glrtf.config.presets import find_config, with_named_config
from glrtf.config.training import TrainConfig
from glrtf.training import engines
from glrtf.training.required import require_inputs
from tfrecords_tools.command import cli
from tfrecords_tools.command.stopping import Stopped
from tfrecords_tools.command.typed_settings import checked

if TYPE_CHECKING:
    import numpy as np


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """How a training ended.

    Attributes:
        folder: The workdir.
        update: Updates made over the whole run.
        finished: Whether the run is finished; False if it was stopped and can be resumed.
        metrics: The last epoch's figures, such as ``train_loss``.
        schedule_plot: The plot of the learning rate, if only that was requested.
    """

    folder: str
    update: int
    finished: bool
    metrics: Mapping[str, float]
    schedule_plot: str = ""


def run_train(config: TrainConfig) -> None:
    """Trains and prints how it ended."""
    result = train(config)
    if result.schedule_plot:
        print(result.schedule_plot)
    elif not result.finished:
        done = f"and saved after update {result.update}" if result.update else "before an update"
        raise Stopped(f"{result.folder}: stopped {done}")
    else:
        loss, accuracy = (result.metrics.get(f"train_{k}") for k in ("loss", "accuracy"))
        figures = "" if loss is None else f", loss {loss:.3f}, accuracy {accuracy:.3f}"
        print(f"{result.folder}: trained for {result.update} updates{figures}")


def train(config: TrainConfig) -> TrainResult:
    """Trains what the settings describe, on the embedded sample if they name no data.

    A workdir with checkpoints of the same settings is resumed.

    Raises:
        UserError: On bad data, a workdir of another run, missing devices, a damaged checkpoint,
            or a loss that is not a number.
    """
    config = checked(config, TrainConfig)
    require_inputs(config)
    config = dataclasses.replace(config, workdir=config.folder)
    most_updates = None
    if not config.data:
        config, most_updates = _on_sample(config)

    # Before Keras is imported, whose backend it chooses.
    engines.select(config, fall_back=most_updates is not None)
    from glrtf.training import run

    done = run.train(config, most_updates=most_updates, score=rank_validation)
    plot = config.plot_schedule or ""
    return TrainResult(config.folder, done.update, done.finished, done.metrics, plot)


def rank_validation(rows: "np.ndarray", labels: "np.ndarray") -> dict[str, float]:
    """Ranks the fold for each of its images, by exact search.

    Args:
        rows: (n, dimension) float32 unit rows.
        labels: (n,) int.

    Returns:
        `map`, the mean average precision at 100, and `recall_at_1`, the share of
        queries whose first neighbour is right, over images that share their
        landmark with another one; empty if there are none.
    """
    import numpy as np

    from glrtf.embeddings.rows import ArrayRows
    from glrtf.evaluation.metrics import average_precision
    from glrtf.retrieval.search.exact import search

    counts = np.bincount(labels)[labels] - 1
    queries = np.flatnonzero(counts)
    if not len(queries):
        return {}
    found = search(ArrayRows(rows[queries]), ArrayRows(rows), min(101, len(rows))).indices
    # A query's own row is among its neighbours, usually first; without it 100 remain.
    own = found == queries[:, np.newaxis]
    order = np.argsort(own, axis=1, kind="stable")
    ranked = np.take_along_axis(found, order, axis=1)[:, :-1]
    hits = (labels[ranked] == labels[queries][:, np.newaxis]) & (ranked >= 0)
    precision = average_precision(hits, counts[queries], max_predictions=100)
    return {"map": float(precision.mean()), "recall_at_1": float(hits[:, 0].mean())}


def _on_sample(config: TrainConfig) -> tuple[TrainConfig, int]:
    """The settings for a run on the embedded sample, and its number of updates."""
    from tfrecords_tools.sample.draw import ensure_sample_shards

    begin = config.for_sample("").weights
    print(
        "no --data: training on the embedded sample, from "
        f"{'random weights' if begin == 'none' else f'weights of {begin}'}, at most "
        f"{config.sample_updates} updates of {config.sample_batch_size} images a replica "
        "(--sample_updates, --sample_batch_size)",
        file=sys.stderr,
    )
    data = ensure_sample_shards(os.path.join("runs", "sample"))
    return config.for_sample(data), config.sample_updates


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return cli.run(
        TrainConfig,
        run_train,
        argv=with_named_config(argv),
        default_config=find_config,
        resumes=True,
    )
