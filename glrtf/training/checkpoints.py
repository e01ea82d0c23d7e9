"""Checkpoints: plain arrays under plain names, written completely or not at all.

`checkpoints/images-000000043200.npz` holds the arrays, `images-000000043200.json` next to it,
written last, their digest and the position in the run. Arrays without their JSON are an unfinished
save and are never read.

Names and order follow the images seen. The number of updates is not suitable: with more replicas an
update has more images, so a resumed run counts fewer updates. Checkpoints named by their update
(`step-00001200`) can be read too.
"""

import dataclasses
import re
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from glrtf.config.descriptor import names_function
from glrtf.config.training import TrainConfig
from glrtf.models.arrays import assign, not_finite, read_arrays, write_arrays
from tfrecords_tools.command import cli
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, json_shapes

if TYPE_CHECKING:
    from glrtf.config.keras_settings import keras

_NAME = re.compile(r"(images-\d{12,}|step-\d{8,})\.json")
_FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Position:
    """The position of a checkpoint in a run.

    Attributes:
        update: Updates so far, counted in updates of global_batch_size.
        epoch: Epochs done so far, with a fraction.
        num_classes: Classes of the head.
        global_batch_size: Images an update.
        metrics: Metrics at that point, such as the training loss.
        data: Digest of the shards, `workdir.photos_digest`; empty in those of earlier versions.
        rows: Digest of the set that the run learns from; empty without one.
    """

    update: int
    epoch: float
    num_classes: int
    global_batch_size: int
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    data: str = ""
    rows: str = ""

    @property
    def images(self) -> int:
        """Images seen so far; never decreases, whatever the number of replicas."""
        return self.update * self.global_batch_size


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """One finished checkpoint.

    Attributes:
        path: Its JSON file.
        arrays_path: Its arrays.
        sha256: The digest of the arrays' file.
        position: Its position in the run.
    """

    path: str
    arrays_path: str
    sha256: str
    position: Position

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays by name, after their digest is checked.

        Raises:
            UserError: If the file is missing, truncated or changed, or contains NaN or infinity.
        """
        found = files.sha256(self.arrays_path)
        if found != self.sha256:
            raise UserError(
                f"{self.arrays_path}: digest: expected {self.sha256[:12]}…, found {found[:12]}…; "
                "damaged: delete it and its .json to resume from the previous one"
            )
        arrays = read_arrays(self.arrays_path)
        if name := not_finite(arrays):
            raise UserError(
                f"{self.arrays_path}: {name}: expected numbers, found NaN or infinity among them; "
                "delete it and its .json to resume from the previous one"
            )
        return arrays


class _Written(TypedDict):
    """A checkpoint's JSON file."""

    format: int
    sha256: str
    position: Position


def write(folder: str, arrays: Mapping[str, np.ndarray], position: Position) -> Checkpoint:
    """Writes a checkpoint, the JSON last.

    Args:
        folder: The run's `checkpoints/`.
        arrays: By name.
        position: The position in the run.
    """
    stem = files.join(folder, f"images-{position.images:012d}")
    write_arrays(f"{stem}.npz", arrays)
    digest = files.sha256(f"{stem}.npz")
    value = {"format": _FORMAT, "sha256": digest, "position": dataclasses.asdict(position)}
    files.write_json(f"{stem}.json", value)
    return Checkpoint(f"{stem}.json", f"{stem}.npz", digest, position)


def read(path: str) -> Checkpoint:
    """A checkpoint by its JSON file.

    Raises:
        UserError: If the file is missing or is not a checkpoint's.
    """
    remedy = "delete it and its .npz to resume from the previous one"
    value = json_shapes.read(path, dict[str, Any], remedy)
    if value.get("format") != _FORMAT:
        raise UserError(
            f"{path}: expected a checkpoint's JSON file of format {_FORMAT}, found format "
            f"{value.get('format')}; {remedy}"
        )
    json_shapes.require(path, value, _Written, remedy)
    names = {field.name for field in dataclasses.fields(Position)}
    position = Position(**{k: v for k, v in value["position"].items() if k in names})
    return Checkpoint(path, f"{path.removesuffix('.json')}.npz", value["sha256"], position)


def list_all(folder: str) -> list[Checkpoint]:
    """The finished checkpoints of a `checkpoints/` folder, oldest first."""
    if not files.exists(folder):
        return []
    names = [name for name in files.list_names(folder) if _NAME.fullmatch(name)]
    found = [read(files.join(folder, name)) for name in names]
    return sorted(found, key=lambda checkpoint: checkpoint.position.images)


def latest(folder: str) -> Checkpoint | None:
    """The newest finished checkpoint, or None."""
    found = list_all(folder)
    return found[-1] if found else None


def best(found: list[Checkpoint], metric: str = "validation_map") -> Checkpoint | None:
    """The checkpoint with the highest value, the newest of equal ones; None if none has it."""
    rated = [c for c in found if metric in c.position.metrics]
    return max(rated, key=lambda c: (c.position.metrics[metric], c.position.images), default=None)


def prune(folder: str, keep: int) -> None:
    """Deletes all but the last `keep` checkpoints and the best one."""
    found = list_all(folder)
    kept = {c.path for c in found[-keep:]}
    if champion := best(found):
        kept.add(champion.path)
    for checkpoint in found:
        if checkpoint.path not in kept:
            # The JSON first: arrays without it do not count as a checkpoint.
            files.delete(checkpoint.path)
            files.delete(checkpoint.arrays_path)


def find(path: str, which: str | None = None) -> Checkpoint:
    """The checkpoint that a path refers to.

    Args:
        path: A workdir, its `checkpoints/`, or one checkpoint's .json or .npz.
        which: In a workdir: `last` (also None), `best`, or a number of updates.

    Raises:
        UserError: If no checkpoint matches, or several have that number of updates.
    """
    if path.endswith((".json", ".npz")):
        return read(path.removesuffix(".npz").removesuffix(".json") + ".json")
    below = files.join(path, "checkpoints")
    folder = below if files.exists(below) else path
    found = list_all(folder)
    if not found:
        raise UserError(f"{path}: expected a workdir with checkpoints, found none; train first")
    if which in (None, "last"):
        return found[-1]
    if which == "best":
        return best(found) or found[-1]
    matching = [c for c in found if which == str(c.position.update)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise UserError(
            f"--checkpoint: {len(matching)} have {which} updates, made on different numbers of "
            f"replicas: name one of {', '.join(c.arrays_path for c in matching)}"
        )
    known = ", ".join(str(c.position.update) for c in found)
    raise UserError(f"--checkpoint: expected last, best or one of {known}, found {which!r}")


def embedding_arrays(model: "keras.Model") -> dict[str, "keras.Variable"]:
    """The embedding model's variables under the names they have in a checkpoint."""
    named = {f"embedding/{v.path}": v for v in model.weights}
    if len(named) != len(model.weights):
        raise ValueError("two weights of the model have one name")
    return named


def with_average(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays, with the weights replaced by their moving averages if the run kept them."""
    averages = {
        name.removeprefix("average/"): value
        for name, value in arrays.items()
        if name.startswith("average/")
    }
    return {**arrays, **averages}


def read_config(workdir: str, backbone: str = "") -> TrainConfig:
    """The settings that a run saved in its workdir.

    Args:
        workdir: The run's folder.
        backbone: The function that builds the run's backbone, as named on the command line: a
            folder, which may come from someone else, must not choose the code that is run.

    Raises:
        UserError: If the folder is not a workdir, or its backbone is a function that is not named
            here.
    """
    path = files.join(workdir, "config.yaml")
    if not files.exists(path):
        raise UserError(f"{workdir}: expected a workdir of glrtf train, found no config.yaml there")
    content = files.read_bytes(path)
    named: list[str] = []
    line = f"backbone: {backbone}\n".encode()
    if names_function(backbone) and line in content:
        # If both name it, the command line takes precedence.
        content, named = content.replace(line, b"", 1), [f"--backbone={backbone}"]
    with tempfile.NamedTemporaryFile(suffix=".yaml") as local:  # The parser cannot read gs://.
        local.write(content)
        local.flush()
        try:
            return cli.parse(TrainConfig, [f"--config={local.name}", *named], prog="glrtf train")
        except UserError as error:
            raise UserError(str(error).replace(local.name, path)) from None


def load_embedding_model(
    workdir: str,
    checkpoint: str | None = None,
    precision: str = "float32",
    any_size: bool = False,
    backbone: str = "",
) -> tuple["keras.Model", TrainConfig]:
    """The embedding model of a training run, ready for inference.

    Args:
        workdir: The run's folder.
        checkpoint: `last` (also None), `best`, a number of updates, or a
            checkpoint's file.
        precision: `float32` or `mixed_bfloat16`, of the backbone.
        any_size: Whether the model takes images of any size, not only the run's.
        backbone: The run's backbone, if it is a function; see `read_config`.

    Returns:
        The model, float RGB in [0, 1] `(batch, size, size, 3)` -> unit rows
        `(batch, embedding_dim)` float32, and the run's settings. Averaged weights are used if the
        run kept them.

    Raises:
        UserError: If there is no such run or checkpoint, or it is damaged.
    """
    from glrtf.models.retrieval_model import embedding_model_from_config

    config = read_config(workdir, backbone)
    is_file = checkpoint is not None and checkpoint.endswith((".json", ".npz"))
    found = find(checkpoint or workdir) if is_file else find(workdir, checkpoint)
    model = embedding_model_from_config(config, precision, any_size)
    assign(embedding_arrays(model), with_average(found.arrays()), found.arrays_path)
    return model, config
