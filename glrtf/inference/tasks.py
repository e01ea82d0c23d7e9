"""What one process does of an embedding: its settings to models, input and parts."""

import sys

from glrtf.config.inference import EmbedConfig
from glrtf.data.photo_folders import open_photos, write_list
from glrtf.data.shards import ShardSet, holds_shards, open_shards
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.inference.embedders import load_embedder
from glrtf.inference.extraction import BatchRunner, Job, embed_split
from glrtf.training.strategy import describe, make_strategy


def open_input(config: EmbedConfig) -> ShardSet:
    """The shards of the split, or the photos, that `config.data` holds."""
    if holds_shards(config.data, config.split):
        return open_shards(config.data, config.split)
    return open_photos(config.data, config.split, config.photo_ids)


def load_jobs(config: EmbedConfig) -> list[Job]:
    """Loads the models on their devices."""
    strategy = make_strategy(config.strategy, config.tpu)
    print(f"embedding on {describe(strategy)}", file=sys.stderr)
    jobs = []
    for model, output in config.jobs:
        with strategy.scope():
            any_size = any(scale != 1 for scale in config.scales)
            embedder = load_embedder(model, config.checkpoint, any_size=any_size)
        runner = BatchRunner(embedder, config.tta, config.batch_size, strategy, config.scales)
        jobs.append(Job(embedder, runner, output))
    return jobs


def embed_parts(config: EmbedConfig, shard_set: ShardSet, jobs: list[Job]) -> list[EmbeddingSet]:
    """Embeds this task's parts with loaded models; finishes the sets whose parts are all there."""
    finished = embed_split(
        jobs,
        shard_set,
        views=config.tta,
        scales=config.scales,
        dtype=config.dtype,
        max_bad_records=config.max_bad_records,
        task_index=config.task_index,
        num_tasks=config.num_tasks,
    )
    for job in jobs:
        write_list(shard_set, config.data, job.folder)
    return finished
