"""Command: train one embedding model."""

import dataclasses
import os
import sys
from collections.abc import Sequence

from glrtf.config.presets import find_config
from glrtf.config.training import TrainConfig
from tfrecords_tools import cli


def run_train(config: TrainConfig) -> int:
    """Trains what the settings describe, on the embedded sample where they name no data."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    config = dataclasses.replace(config, workdir=config.folder)
    most_updates = None
    if not config.data:
        config, most_updates = _on_sample(config)

    from glrtf.training.run import train

    result = train(config, most_updates=most_updates)
    if not result.finished:
        print(
            f"{config.folder}: stopped and saved after update {result.update}; "
            "the same command goes on from there",
            file=sys.stderr,
        )
    else:
        loss, accuracy = (result.metrics.get(f"train_{k}") for k in ("loss", "accuracy"))
        figures = "" if loss is None else f", loss {loss:.3f}, accuracy {accuracy:.3f}"
        print(f"{config.folder}: trained for {result.update} updates{figures}")
    return 0


def _on_sample(config: TrainConfig) -> tuple[TrainConfig, int]:
    """The settings for a run on the embedded sample, and its number of updates."""
    from tfrecords_tools.sample import ensure_sample_shards

    print(
        "no --data: training on the embedded sample, at most "
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
        prog="python -m glrtf.train",
        argv=argv,
        default_config=find_config,
    )


if __name__ == "__main__":
    sys.exit(main())
