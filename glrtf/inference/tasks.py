"""What one process does of an embedding: its settings to models, input and parts."""

import dataclasses
import sys
from collections.abc import Callable

from glrtf.config.inference import EmbedConfig
from glrtf.config.keras_settings import ON_JAX
from glrtf.data.photo_folders import PhotoSet, open_photos, write_list
from glrtf.data.shards import ShardSet, holds_shards, open_shards
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.inference.extraction import Job, embed_split


def open_input(config: EmbedConfig) -> ShardSet:
    """The shards of the split, or the photos, that `config.data` holds."""
    if holds_shards(config.data, config.split):
        return open_shards(config.data, config.split)
    return open_photos(config.data, config.split, config.photo_ids)


def load_jobs(config: EmbedConfig) -> list[Job]:
    """Loads the models on their devices."""
    make_job = _on_jax(config) if ON_JAX else _on_tensorflow(config)
    return [make_job(model, output) for model, output in config.jobs]


def _on_tensorflow(config: EmbedConfig) -> Callable[[str, str], Job]:
    from glrtf.inference.embedders import load_embedder
    from glrtf.inference.tensorflow_runner import BatchRunner
    from glrtf.training.strategy import describe, make_strategy

    strategy = make_strategy(config.strategy, config.tpu)
    print(f"embedding with tensorflow on {describe(strategy)}", file=sys.stderr)

    def job(model: str, output: str) -> Job:
        with strategy.scope():
            embedder = load_embedder(model, config.checkpoint, _any_size(config), config.precision)
        runner = BatchRunner(embedder, config.tta, config.batch_size, strategy, config.scales)
        return Job(embedder, runner, output)

    return job


def _on_jax(config: EmbedConfig) -> Callable[[str, str], Job]:
    from glrtf.inference.jax_runner import JaxRunner, load_embedder
    from glrtf.training import jax_devices

    devices = jax_devices.find_devices(config.strategy, config.tpu, alone=True)
    print(f"embedding with jax on {jax_devices.describe(devices)}", file=sys.stderr)
    mesh = jax_devices.make_mesh(devices, split_classes=False)

    def job(model: str, output: str) -> Job:
        embedder = load_embedder(model, config.checkpoint, _any_size(config), config.precision)
        runner = JaxRunner(embedder, config.tta, config.batch_size, mesh, config.scales)
        return Job(embedder, runner, output)

    return job


def _any_size(config: EmbedConfig) -> bool:
    return any(scale != 1 for scale in config.scales)


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
