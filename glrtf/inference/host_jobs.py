"""Models and their runners where other runtimes compute every model: no engine is loaded."""

import sys
from collections.abc import Mapping
from typing import Any

from glrtf.config.descriptor import DescriptorConfig
from glrtf.config.inference import EmbedConfig
from glrtf.inference.descriptors.kinds import kind_of
from glrtf.inference.descriptors.runtimes import needs_engine
from glrtf.inference.embedder import RUNTIME_NAMES, Embedder
from glrtf.inference.embedders import load_embedder
from glrtf.inference.host_views import HostRunner
from glrtf.inference.jobs import Job


def suffice(config: EmbedConfig) -> bool:
    """Whether all models run on this machine's CPU, outside TensorFlow and JAX.

    With a GPU or TPU in the settings an engine is started, which checks that it exists.

    Raises:
        UserError: If a model does not exist, or a package that it needs is missing.
    """
    if config.engine == "jax" or config.strategy not in ("auto", "cpu") or config.tpu:
        return False
    return not any(needs_engine(kind_of("--model", model)) for model, _ in config.jobs)


def load_jobs(config: EmbedConfig, recorded: Mapping[str, Any] | None = None) -> list[Job]:
    """Loads the models; see `glrtf.inference.tasks.load_jobs`."""
    jobs = [_load(config, recorded, number) for number in range(len(config.jobs))]
    for job in jobs:
        announce(job.embedder)
    return jobs


def _load(config: EmbedConfig, recorded: Mapping[str, Any] | None, number: int) -> Job:
    """The model of that number."""
    model, output = config.jobs[number]
    embedder = load_embedder(
        model,
        any_size=any(scale != 1 for scale in config.scales),
        precision=config.precision,
        descriptor=DescriptorConfig() if number else config.descriptor,
        recorded=None if number else recorded,
        runtime=config.runtime,
    )

    def load(config: EmbedConfig) -> Job:
        return _load(config, recorded, number)

    return Job(embedder, make_runner(embedder, config), output).checked_by(config, load)


def make_runner(embedder: Embedder, config: EmbedConfig, num_replicas: int = 1) -> HostRunner:
    """The runner of a model that is not `in_graph`.

    Args:
        embedder: The model.
        config: The settings.
        num_replicas: Replicas of the models that the engine runs in the same pass; total batches
            must be equal.
    """
    return HostRunner(embedder, config.tta, config.batch_size * num_replicas, config.scales)


def announce(embedder: Embedder) -> None:
    """Prints which runtime computes a model that is not `in_graph`."""
    name = RUNTIME_NAMES[embedder.runtime]
    print(f"embedding with {name} on the CPU: {embedder.name}", file=sys.stderr)
