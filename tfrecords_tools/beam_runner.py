"""Writing shards on Apache Beam: this machine, Dataflow, Flink, Spark.

A pipeline's graph may not hold millions of ids, so each shard's specification
is stored next to the shards for the run, and the graph holds only the paths.
"""

import dataclasses
import io
import json
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from tfrecords_tools import beam_options, gldv2, writer
from tfrecords_tools.errors import optional_package
from tfrecords_tools.images import ImageSettings
from tfrecords_tools.sharding import Images
from tfrecords_tools.specs import Fold
from tfrecords_tools.storage import array_files, files
from tfrecords_tools.writer import ShardSpec

SPECS_FOLDER = "shard_specs"

_Kind = TypeVar("_Kind")


def run(fold: Fold, numbers: Sequence[int], options: Sequence[str]) -> None:
    """Writes shards of a fold on Beam and waits for them.

    Args:
        fold: The plan.
        numbers: Which of its shards.
        options: Beam's own options, with or without their leading dashes.

    Raises:
        UserError: If Beam is not installed, or does not take the options.
    """
    beam = optional_package("apache_beam", "--runner beam", "apache-beam", "beam")
    parsed = beam_options.pipeline_options(options)
    paths = [save_spec(fold.spec(number)) for number in numbers]
    try:
        with beam.Pipeline(options=parsed) as pipeline:
            _ = (
                pipeline
                | "Specifications" >> beam.Create(paths)
                | "Spread" >> beam.Reshuffle()
                | "Write shards" >> beam.Map(write_saved)
            )
    finally:
        for path in paths:
            files.delete(path)
        files.remove_empty(files.join(fold.folder, SPECS_FOLDER))


def write_saved(path: str) -> str:
    """Writes the shard whose specification is stored at `path`; returns its name."""
    return writer.write_apart(load_spec(path)).name


def save_spec(spec: ShardSpec) -> str:
    """Stores a specification next to its shard; returns the path."""
    path = files.join(spec.folder, SPECS_FOLDER, spec.name.replace(".tfrecord", ".npz"))
    about = {
        "name": spec.name,
        "folder": spec.folder,
        "layout": dataclasses.asdict(spec.layout),
        "settings": dataclasses.asdict(spec.settings),
        "digest": spec.digest,
        "base": spec.base,
    }
    columns = {f.name: getattr(spec.images, f.name) for f in dataclasses.fields(Images)}
    stored = io.BytesIO()
    np.savez(
        stored,
        about=np.frombuffer(json.dumps(about).encode(), np.uint8),
        landmark_ids=spec.landmark_ids,
        fresh=spec.fresh,
        **columns,
    )
    files.write_bytes(path, stored.getvalue())
    return path


def load_spec(path: str) -> ShardSpec:
    """Reads a specification back."""
    arrays = array_files.load_archive(path, "a shard's specification")
    with array_files.damage_as(f"{path}: expected a shard's specification"):
        about = json.loads(arrays["about"].tobytes())
        layout = about["layout"]
        return ShardSpec(
            name=about["name"],
            folder=about["folder"],
            layout=_rebuilt(gldv2.Layout, {**layout, "tars": tuple(layout["tars"])}),
            images=Images(*(arrays[field.name] for field in dataclasses.fields(Images))),
            landmark_ids=arrays["landmark_ids"],
            settings=_rebuilt(ImageSettings, about["settings"]),
            digest=about["digest"],
            fresh=arrays["fresh"],
            base=about["base"],
        )


def _rebuilt(kind: type[_Kind], values: dict[str, Any]) -> _Kind:
    """A dataclass from its fields.

    Raises:
        ValueError: If another version wrote other fields.
    """
    expected = sorted(field.name for field in dataclasses.fields(kind))  # type: ignore[arg-type]
    if sorted(values) != expected:
        raise ValueError(f"expected {', '.join(expected)}, found {', '.join(sorted(values))}")
    return kind(**values)
