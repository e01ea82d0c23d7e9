"""One process's share of an embedding: from settings to models, input and parts."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from glrtf.config import keras_backend
from glrtf.config.inference import EmbedConfig
from glrtf.data.photo_folders import PhotoSet, open_photos, write_list
from glrtf.data.shards import ShardSet, holds_shards, open_shards
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.inference import extraction, host_jobs
from glrtf.inference.jobs import Job


def open_input(config: EmbedConfig) -> ShardSet:
    """The shards of the split, or the photos, in `config.data`."""
    if holds_shards(config.data, config.split):
        return open_shards(config.data, config.split)
    return open_photos(config.data, config.split, config.photo_ids)


def load_jobs(config: EmbedConfig, recorded: Mapping[str, Any] | None = None) -> list[Job]:
    """Loads the models on their devices; the first one with the adapter, if there is one.

    Args:
        config: The settings.
        recorded: The preparation of the set that the first model's rows are for, if any; it counts
            where neither the settings nor a manifest say something.
    """
    if keras_backend.chosen() == "jax":
        from glrtf.inference import jax_runner

        # A workdir's model, which needs no preparation.
        first, *others = jax_runner.load_jobs(config)
    elif host_jobs.suffice(config):
        first, *others = host_jobs.load_jobs(config, recorded)
    else:
        from glrtf.inference import tensorflow_jobs

        first, *others = tensorflow_jobs.load_jobs(config, recorded)
    return [dataclasses.replace(first, embedder=first.embedder.adapted_by(config.adapter)), *others]


def begin(config: EmbedConfig, shard_set: ShardSet, jobs: list[Job]) -> None:
    """Checks the folders and the precision, and writes the plans; see `extraction.begin`."""
    extraction.begin(
        jobs,
        _shrunk(shard_set, jobs),
        views=config.tta,
        scales=config.scales,
        dtype=config.dtype,
        min_cosine=config.min_cosine,
    )


def embed_parts(config: EmbedConfig, shard_set: ShardSet, jobs: list[Job]) -> list[EmbeddingSet]:
    """Embeds this task's parts with loaded models; finishes the sets that have all their parts."""
    finished = extraction.embed_split(
        jobs,
        _shrunk(shard_set, jobs),
        views=config.tta,
        scales=config.scales,
        dtype=config.dtype,
        min_cosine=config.min_cosine,
        max_bad_records=config.max_bad_records,
        task_index=config.task_index,
        num_tasks=config.num_tasks,
    )
    for job in jobs:
        write_list(shard_set, config.data, job.folder)
    return finished


def _shrunk(shard_set: ShardSet, jobs: list[Job]) -> ShardSet:
    """Shrinks photos while they are read, so that a PNG is encoded only once, as in the builder.

    They are shrunk to the largest max_side of the models; a model with a smaller one shrinks them
    again.
    """
    sides = [job.embedder.max_side for job in jobs]
    if not isinstance(shard_set, PhotoSet) or None in sides:
        return shard_set
    return dataclasses.replace(shard_set, max_side=max(side or 0 for side in sides))
