"""The works of the fault campaign on small made-up inputs."""

import csv
import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import retrieval_worlds
import tuning_files
from kills import Work, same_files
from shard_writing import write_split
from tiny_gldv2 import write_train

_BACKBONE = ["--backbone", "tiny_backbones:maps"]
_RUN = [*_BACKBONE, "--size", "32", "--batch_size", "8", "--accumulation_steps", "2"]
_RUN += ["--epochs", "2", "--learning_rate", "1e-3", "--checkpoint_every", "2", "--deterministic"]


def build(inputs: Path) -> Work:
    """Shards from tars, each photo re-encoded so that it takes time."""
    write_train(inputs / "gldv2", 600)
    flags = ["--source", inputs / "gldv2", "--splits", "train", "--num_shards", "4"]
    flags += ["--verify", "decode", "--max_side", "30", "--workers", "2"]
    return Work(
        "build",
        lambda out: ["tfrecords_tools.build", *flags, "--output", out],
        same_files(),
    )


def retrieve(inputs: Path) -> Work:
    """All stages of the published retrieval."""
    world = retrieval_worlds.make_world(
        inputs / "world", test=150, index=1500, train=8000, dimension=64
    )
    return Work(
        "retrieve",
        lambda out: ["glrtf.retrieve", *world.arguments(), "--output", out],
        # It contains seconds and which stages were skipped.
        same_files(without=["retrieval.json"]),
    )


def tune(inputs: Path) -> Work:
    """Sixteen trials, the later ones drawn from what the first ten found."""
    given = [*tuning_files.write_inputs(inputs), "--solution", inputs / "solution.csv"]
    flags = [*given, "--trials", "16"]
    return Work("tune", lambda out: ["glrtf.tune", *flags, "--output", out], _same_study)


def train(inputs: Path) -> Work:
    """Twelve updates with a checkpoint at every second."""
    write_split(inputs / "shards" / "train", [24, 24])
    flags = ["--data", inputs / "shards", *_RUN]
    return Work("train", lambda out: ["glrtf.train", *flags, "--workdir", out], _same_weights)


def export(inputs: Path) -> Work:
    """A SavedModel of the run that `train` makes."""
    run = trained(inputs)
    flags = ["--workdir", run, *_BACKBONE]
    return Work(
        "export",
        lambda out: ["glrtf.export", *flags, "--output", out],
        _same_export,
        resumes=False,
    )


def embed(inputs: Path) -> Work:
    """Twelve shards, one part each, through the export of a trained model."""
    from glrtf.commands import export as command

    model = inputs / "export"
    flags = ["--workdir", trained(inputs), *_BACKBONE, "--output", model]
    assert model.exists() or command.main(list(map(str, flags))) == 0
    return _embed("embed", inputs, ["--model", model])


def embed_elsewhere(inputs: Path) -> Work:
    """The same shards through a function, which needs no TensorFlow."""
    flags = ["--model", "tiny_descriptors:mean_colour", "--descriptor.size", "16"]
    return _embed("embed_elsewhere", inputs, flags)


def _embed(name: str, inputs: Path, flags: list[Any]) -> Work:
    data = write_split(inputs / "photos" / "test", [16] * 12, split="test")
    flags = [*flags, "--data", data.parent, "--split", "test", "--batch_size", "8"]
    return Work(name, lambda out: ["glrtf.embed", *flags, "--output", out], same_files())


def index_add(inputs: Path) -> Work:
    """Rows added to a finished set: the old version or the new one, whole."""
    world = retrieval_worlds.make_world(
        inputs / "growing", test=20_000, index=2000, train=100, dimension=256
    )
    command = ["glrtf.index_add", "--rows", world.folder / "test"]
    return Work(
        "index_add",
        lambda out: [*command, "--index", out],
        same_files(),
        resumes=False,
        prepare=lambda out: shutil.copytree(world.folder / "index", out),
    )


def whiten(inputs: Path) -> Work:
    """A transformation by landmarks and three sets of twenty parts."""
    flags = _mapped(inputs)
    return Work(
        "whiten",
        lambda out: ["glrtf.whiten", *flags, "--output", out],
        same_files(),
        resumes=False,
    )


def adapt(inputs: Path) -> Work:
    """A trained map and three sets."""
    flags = [*_mapped(inputs), "--epochs", "2"]
    return Work(
        "adapt", lambda out: ["glrtf.adapt", *flags, "--output", out], same_files(), resumes=False
    )


def _mapped(inputs: Path) -> list[Any]:
    world = retrieval_worlds.make_world(
        inputs / "mapped", test=500, index=4000, train=8000, dimension=64
    )
    return world.arguments()


def bundle(inputs: Path) -> Work:
    """Two ONNX models, their sets and tables: a folder that is whole or does not exist."""
    from bundle_world import make_bundle_world

    flags = make_bundle_world(inputs / "sealed").flags()
    return Work(
        "bundle",
        lambda out: ["glrtf.bundle", *flags, "--output", out],
        same_files(),
        resumes=False,
    )


def trained(inputs: Path) -> Path:
    """A finished run of `train`, made if it does not exist yet."""
    from glrtf.commands import train as command

    run = inputs / "run"
    if not run.exists():
        write_split(inputs / "shards" / "train", [24, 24])
        flags = ["--data", inputs / "shards", *_RUN, "--workdir", run]
        assert command.main(list(map(str, flags))) == 0
    return run


def _same_weights(expected: Path, found: Path) -> None:
    """The last checkpoint: the same update, weights and optimizer to 1e-6."""
    from glrtf.training import checkpoints

    one, other = (checkpoints.find(str(folder)) for folder in (expected, found))
    # Figures such as images per second differ in the process that resumed.
    assert _without_figures(one.position) == _without_figures(other.position)
    assert one.position.metrics.keys() == other.position.metrics.keys()
    assert sorted(os.listdir(expected / "checkpoints")) == sorted(os.listdir(found / "checkpoints"))
    wanted, arrays = one.arrays(), other.arrays()
    assert wanted.keys() == arrays.keys()
    for name, value in wanted.items():
        np.testing.assert_allclose(arrays[name], value, rtol=0, atol=1e-6, err_msg=name)


def _same_study(expected: Path, found: Path) -> None:
    """The same results; the same trials except for their seconds.

    Of the searches, other ones may be kept, and the journal holds processes and times.
    """
    assert _trials(expected) == _trials(found)
    for name in ("best.yaml", "tune.json", "history.svg"):
        assert (expected / name).read_bytes() == (found / name).read_bytes(), name
    for folder in (found, found / "cache"):
        assert not list(folder.glob("*.partial"))


def _trials(folder: Path) -> list[dict[str, str]]:
    with open(folder / "trials.csv", newline="") as file:
        return [{**row, "seconds": ""} for row in csv.DictReader(file)]


def _without_figures(position: Any) -> Any:
    return dataclasses.replace(position, metrics={})


def _same_export(expected: Path, found: Path) -> None:
    """The same weights, whole files, and nothing left over."""
    from tfrecords_tools.storage import files, folders

    one, other = (files.read_json(str(f / "glrtf_export.json")) for f in (expected, found))
    folders.verify(str(found), other["files"])
    names = ("model_digest", "size", "dimension", "backbone")
    assert json.dumps([one[n] for n in names]) == json.dumps([other[n] for n in names])
    assert not [name for name in os.listdir(found.parent) if name.endswith((".partial", ".old"))]
