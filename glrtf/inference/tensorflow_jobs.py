"""Models and their runners, with Keras on TensorFlow."""

import sys
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from glrtf.config.descriptor import DescriptorConfig
from glrtf.config.inference import EmbedConfig
from glrtf.inference import host_jobs
from glrtf.inference.embedders import load_embedder
from glrtf.inference.jobs import Job, Runner
from glrtf.inference.tensorflow_runner import BatchRunner
from glrtf.training.strategy import describe, is_one_cpu, make_strategy


def load_jobs(config: EmbedConfig, recorded: Mapping[str, Any] | None = None) -> list[Job]:
    """Loads the models on their devices; see `glrtf.inference.tasks.load_jobs`."""
    strategy = make_strategy(config.strategy, config.tpu)
    jobs: list[Job] = []
    for number in range(len(config.jobs)):
        job = _load(config, recorded, strategy, number)
        if job.embedder.in_graph and not any(each.embedder.in_graph for each in jobs):
            print(f"embedding with tensorflow on {describe(strategy)}", file=sys.stderr)
        if not job.embedder.in_graph:
            host_jobs.announce(job.embedder)
        jobs.append(job)
    return jobs


def _load(
    config: EmbedConfig,
    recorded: Mapping[str, Any] | None,
    strategy: tf.distribute.Strategy,
    number: int,
) -> Job:
    """The model of that number."""
    model, output = config.jobs[number]
    with strategy.scope():
        embedder = load_embedder(
            model,
            config.checkpoint,
            any(scale != 1 for scale in config.scales),
            config.precision,
            DescriptorConfig() if number else config.descriptor,
            None if number else recorded,
            runtime=config.runtime,
            on_cpu=is_one_cpu(strategy),
        )
    runner: Runner
    if embedder.in_graph:
        runner = BatchRunner(embedder, config.tta, config.batch_size, strategy, config.scales)
    else:
        runner = host_jobs.make_runner(embedder, config, strategy.num_replicas_in_sync)

    def load(config: EmbedConfig) -> Job:
        return _load(config, recorded, strategy, number)

    return Job(embedder, runner, output).checked_by(config, load)
