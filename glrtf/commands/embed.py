"""Embeds a split: ``glrtf embed --model MODEL --data SHARDS --output DIR``."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from glrtf.config.inference import EmbedConfig
from glrtf.training import engines
from tfrecords_tools.command import cli, expected
from tfrecords_tools.command.typed_settings import checked

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from glrtf.embeddings.embedding_set import EmbeddingSet


@dataclasses.dataclass(frozen=True)
class EmbedResult:
    """What was embedded.

    Attributes:
        sets: The finished sets, one per model; empty while parts of other tasks are missing.
    """

    sets: "tuple[EmbeddingSet, ...]"

    @property
    def set(self) -> "EmbeddingSet":
        """The finished set of one model."""
        [done] = self.sets
        return done


def embed(config: EmbedConfig) -> EmbedResult:
    """Embeds the split's shards, or photos, part by part, here or on Apache Beam.

    Raises:
        UserError: If the model, the data or the output folder is not as expected.
    """
    config = checked(config, EmbedConfig)
    _prepare(config)
    from glrtf.data.photo_folders import left_out_note
    from glrtf.inference import beam_extraction, tasks

    shard_set = tasks.open_input(config)
    if note := left_out_note(shard_set):
        print(f"note: {config.data}: {note}", file=sys.stderr)
    jobs = None
    if config.runner == "beam":
        if config.precision != "float32":
            # Here, rather than in each worker, where an error would end the pipeline.
            tasks.begin(config, shard_set, jobs := tasks.load_jobs(config))
        beam_extraction.run(config, len(shard_set.shards))
    return EmbedResult(tuple(tasks.embed_parts(config, shard_set, jobs or tasks.load_jobs(config))))


def embed_new(
    config: EmbedConfig, known: "npt.NDArray[np.bytes_]", recorded: Mapping[str, Any] | None
) -> "tuple[EmbeddingSet | None, int]":
    """Embeds the photos of a folder that have no row yet; of shards, all images.

    Args:
        config: The settings, of one model on this machine.
        known: (n,) ids of photos that are left out.
        recorded: The preparation of the set that the rows are for, if any.

    Returns:
        The set, None if no photo is new, and how many were left out.

    Raises:
        UserError: As `embed`.
    """
    _prepare(config)
    from glrtf.data import photo_folders
    from glrtf.inference import tasks

    shard_set, left_out = photo_folders.without_known(tasks.open_input(config), known)
    if not shard_set.num_examples:
        return None, left_out
    [done] = tasks.embed_parts(config, shard_set, tasks.load_jobs(config, recorded))
    return done, left_out


def _prepare(config: EmbedConfig) -> None:
    _check_inputs(config)
    from glrtf.inference import host_jobs

    if config.engine != "auto" or not host_jobs.suffice(config):
        # Before Keras is imported, whose backend it chooses.
        engines.select(config)


def _check_inputs(config: EmbedConfig) -> None:
    """Checks paths and packages before TensorFlow is loaded."""
    from glrtf.inference.descriptors.required import require_model

    for number, (model, output) in enumerate(config.jobs):
        option = "--also" if number else "--model"
        flags = None if number else config.descriptor
        require_model(option, model, config.checkpoint, config.precision, flags, config.runtime)
        expected.new_folder("--also" if number else "--output", output)
    expected.folder("--data", config.data)
    if config.runner == "beam":
        expected.package("--runner beam", "apache_beam", "beam")


def run_embed(config: EmbedConfig) -> None:
    """The command."""
    result = embed(config)
    for done in result.sets:
        rejected = done.meta["num_rejected"]
        print(
            f"{done.folder}: {done.num_rows} rows of {done.dimension} in {done.num_parts} parts,"
            f" {rejected} images without a row" + (" (see rejects-*.csv)" if rejected else "")
        )
    if not result.sets:
        print(f"task {config.task_index} of {config.num_tasks} is done; others are not yet")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    return cli.run(EmbedConfig, run_embed, argv=argv, resumes=True)
