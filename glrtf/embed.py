"""Embeds a split: ``python -m glrtf.embed --model MODEL --data SHARDS --output DIR``."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from glrtf.config.inference import EmbedConfig
from tfrecords_tools import cli

if TYPE_CHECKING:
    from glrtf.embedding_set import EmbeddingSet


def embed(config: EmbedConfig) -> "EmbeddingSet":
    """Embeds the split's shards with one model; see `embed_all`.

    Returns:
        The finished set.
    """
    [done] = embed_all(config)
    return done


def embed_all(config: EmbedConfig) -> "list[EmbeddingSet]":
    """Loads the models on their devices and embeds the split's shards, part by part.

    Returns:
        The finished sets, one a model; none while parts of other tasks are missing.
    """
    from glrtf.data.shards import open_shards
    from glrtf.inference.embedders import load_embedder
    from glrtf.inference.extraction import BatchRunner, Job, embed_split
    from glrtf.training.strategy import make_strategy

    shard_set = open_shards(config.data, config.split)
    strategy = make_strategy(config.strategy, config.tpu)
    jobs = []
    for model, output in config.jobs:
        with strategy.scope():
            embedder = load_embedder(model, config.checkpoint)
        runner = BatchRunner(embedder, config.tta, config.batch_size, strategy)
        jobs.append(Job(embedder, runner, output))
    return embed_split(
        jobs,
        shard_set,
        views=config.tta,
        dtype=config.dtype,
        max_bad_records=config.max_bad_records,
        task_index=config.task_index,
        num_tasks=config.num_tasks,
    )


def run_embed(config: EmbedConfig) -> None:
    """The command."""
    finished = embed_all(config)
    for done in finished:
        rejected = done.meta["num_rejected"]
        print(
            f"{done.folder}: {done.num_rows} rows of {done.dimension} in {done.num_parts} parts,"
            f" {rejected} images without a row" + (" (see rejects-*.csv)" if rejected else "")
        )
    if not finished:
        print(f"task {config.task_index} of {config.num_tasks} is done; others are not yet")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    return cli.run(EmbedConfig, run_embed, prog="python -m glrtf.embed", argv=argv)


if __name__ == "__main__":
    sys.exit(main())
