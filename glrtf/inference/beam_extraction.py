"""Embedding on Apache Beam: this machine, Dataflow, Flink, Spark.

A worker does what one task of `--task_index` does: it writes its part completely or not at all, so
a retried part has the same bytes.
"""

import dataclasses
import functools

from glrtf.config.inference import EmbedConfig
from glrtf.inference import tasks
from glrtf.inference.jobs import Job
from tfrecords_tools import beam_options
from tfrecords_tools.errors import optional_package


def run(config: EmbedConfig, num_parts: int) -> None:
    """Embeds all parts on Beam and waits for them.

    Args:
        config: The whole command's settings.
        num_parts: Number of parts.

    Raises:
        UserError: If Beam is not installed.
    """
    beam = optional_package("apache_beam", "--runner beam", "apache-beam", "beam")
    parsed = beam_options.pipeline_options(config.beam_options)
    alone = dataclasses.replace(config, runner="local", beam_options=())
    with beam.Pipeline(options=parsed) as pipeline:
        _ = (
            pipeline
            | "Parts" >> beam.Create(range(num_parts))
            | "Spread" >> beam.Reshuffle()
            | "Embed" >> beam.Map(functools.partial(embed_part, alone, num_parts))
        )


def embed_part(config: EmbedConfig, num_parts: int, part: int) -> int:
    """Embeds one part unless it exists; returns its number."""
    task = dataclasses.replace(config, task_index=part, num_tasks=num_parts)
    tasks.embed_parts(task, tasks.open_input(task), _loaded(config))
    return part


@functools.lru_cache(maxsize=1)
def _loaded(config: EmbedConfig) -> list[Job]:
    """The models, loaded once in a worker."""
    return tasks.load_jobs(config)
