"""What one process does of an embedding: its settings to models, input and parts."""

import dataclasses
import sys

import tensorflow as tf

from glrtf.config.descriptor import DescriptorConfig
from glrtf.config.inference import EmbedConfig
from glrtf.data.photo_folders import PhotoSet, open_photos, write_list
from glrtf.data.shards import ShardSet, holds_shards, open_shards
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.inference.embedder import RUNTIME_NAMES, Embedder
from glrtf.inference.embedders import load_embedder
from glrtf.inference.extraction import BatchRunner, Job, embed_split
from glrtf.inference.host_views import HostRunner
from glrtf.training.strategy import describe, is_one_cpu, make_strategy


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
    for number, (model, output) in enumerate(config.jobs):
        with strategy.scope():
            any_size = any(scale != 1 for scale in config.scales)
            embedder = load_embedder(
                model,
                config.checkpoint,
                any_size,
                config.precision,
                DescriptorConfig() if number else config.descriptor,
                runtime=config.runtime,
                on_cpu=is_one_cpu(strategy),
            )
        if not number:
            embedder = embedder.adapted_by(config.adapter)
        jobs.append(Job(embedder, _runner(embedder, config, strategy), output))
    return jobs


def _runner(
    embedder: Embedder, config: EmbedConfig, strategy: tf.distribute.Strategy
) -> BatchRunner | HostRunner:
    """What runs a model: the strategy's devices, or one replica on this machine's CPU."""
    if embedder.in_graph:
        return BatchRunner(embedder, config.tta, config.batch_size, strategy, config.scales)
    print(
        f"{embedder.name}: run by {RUNTIME_NAMES[embedder.runtime]}, one replica on this machine's"
        " CPU",
        file=sys.stderr,
    )
    # As many photos as the models share for which there are several replicas.
    total = config.batch_size * strategy.num_replicas_in_sync
    return HostRunner(embedder, config.tta, total, config.scales)


def embed_parts(config: EmbedConfig, shard_set: ShardSet, jobs: list[Job]) -> list[EmbeddingSet]:
    """Embeds this task's parts with loaded models; finishes the sets whose parts are all there."""
    finished = embed_split(
        jobs,
        _shrunk(shard_set, jobs),
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


def _shrunk(shard_set: ShardSet, jobs: list[Job]) -> ShardSet:
    """Photos that are resized as they are read, so that a PNG is encoded once, as when it is built.

    To the longest side that any of the models takes; a model of a smaller one resizes again.
    """
    sides = [job.embedder.max_side for job in jobs]
    if not isinstance(shard_set, PhotoSet) or None in sides:
        return shard_set
    return dataclasses.replace(shard_set, max_side=max(side or 0 for side in sides))
