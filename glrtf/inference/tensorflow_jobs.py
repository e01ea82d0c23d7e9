"""Models and their runners, with Keras on TensorFlow."""

import sys
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from glrtf.config.descriptor import DescriptorConfig
from glrtf.config.inference import EmbedConfig
from glrtf.inference.embedder import RUNTIME_NAMES, Embedder
from glrtf.inference.embedders import load_embedder
from glrtf.inference.extraction import Job
from glrtf.inference.host_views import HostRunner
from glrtf.inference.tensorflow_runner import BatchRunner
from glrtf.training.strategy import describe, is_one_cpu, make_strategy


def load_jobs(config: EmbedConfig, recorded: Mapping[str, Any] | None = None) -> list[Job]:
    """Loads the models on their devices; see `glrtf.inference.tasks.load_jobs`."""
    strategy = make_strategy(config.strategy, config.tpu)
    jobs: list[Job] = []
    for number, (model, output) in enumerate(config.jobs):
        with strategy.scope():
            any_size = any(scale != 1 for scale in config.scales)
            embedder = load_embedder(
                model,
                config.checkpoint,
                any_size,
                config.precision,
                DescriptorConfig() if number else config.descriptor,
                None if number else recorded,
                runtime=config.runtime,
                on_cpu=is_one_cpu(strategy),
            )
        if embedder.in_graph and not any(job.embedder.in_graph for job in jobs):
            print(f"embedding with tensorflow on {describe(strategy)}", file=sys.stderr)
        jobs.append(Job(embedder, _runner(embedder, config, strategy), output))
    return jobs


def _runner(
    embedder: Embedder, config: EmbedConfig, strategy: tf.distribute.Strategy
) -> BatchRunner | HostRunner:
    """The runner of a model: on the strategy's devices, or one replica on this machine's CPU."""
    if embedder.in_graph:
        return BatchRunner(embedder, config.tta, config.batch_size, strategy, config.scales)
    print(
        f"embedding with {RUNTIME_NAMES[embedder.runtime]} on the CPU: {embedder.name}",
        file=sys.stderr,
    )
    # The same total batch as that of the models that run on several replicas.
    total = config.batch_size * strategy.num_replicas_in_sync
    return HostRunner(embedder, config.tta, total, config.scales)
