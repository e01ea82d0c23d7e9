"""Embeds a split: ``python -m glrtf.embed --model MODEL --data SHARDS --output DIR``."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from glrtf.config.inference import EmbedConfig
from tfrecords_tools import cli

if TYPE_CHECKING:
    from glrtf.embedding_set import EmbeddingSet


def embed(config: EmbedConfig) -> "EmbeddingSet":
    """Loads the model on its devices and embeds the split's shards, part by part.

    Returns:
        The finished set.
    """
    from glrtf.data.shards import open_shards
    from glrtf.inference.embedders import load_embedder
    from glrtf.inference.extraction import BatchRunner, embed_split
    from glrtf.training.strategy import make_strategy

    shard_set = open_shards(config.data, config.split)
    strategy = make_strategy(config.strategy, config.tpu)
    with strategy.scope():
        embedder = load_embedder(config.model, config.checkpoint)
    runner = BatchRunner(embedder, config.tta, config.batch_size, strategy)
    return embed_split(
        runner,
        embedder,
        shard_set,
        config.output,
        views=config.tta,
        dtype=config.dtype,
        max_bad_records=config.max_bad_records,
    )


def run_embed(config: EmbedConfig) -> None:
    """The command."""
    done = embed(config)
    rejected = done.meta["num_rejected"]
    print(
        f"{config.output}: {done.num_rows} rows of {done.dimension} in {done.num_parts} parts,"
        f" {rejected} images without a row" + (" (see rejects-*.csv)" if rejected else "")
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    return cli.run(EmbedConfig, run_embed, prog="python -m glrtf.embed", argv=argv)


if __name__ == "__main__":
    sys.exit(main())
