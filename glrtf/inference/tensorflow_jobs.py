"""Models and their runners, with Keras on TensorFlow."""

import sys
from collections.abc import Mapping
from typing import Any

from glrtf.config.descriptor import DescriptorConfig
from glrtf.config.inference import EmbedConfig
from glrtf.inference import host_jobs
from glrtf.inference.embedders import load_embedder
from glrtf.inference.extraction import Job, Runner
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
        runner: Runner
        if embedder.in_graph:
            runner = BatchRunner(embedder, config.tta, config.batch_size, strategy, config.scales)
        else:
            runner = host_jobs.make_runner(embedder, config, strategy.num_replicas_in_sync)
        jobs.append(Job(embedder, runner, output))
    return jobs
