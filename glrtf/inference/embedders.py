"""A model to embed with, from a SavedModel or from a training run's workdir."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

import tensorflow as tf

from glrtf.data.decoding import InputSpec
from glrtf.inference.model_folders import INFO_NAME, is_export, require_model
from glrtf.inference.serving import to_unit_range, weights_digest
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, folders, json_shapes

Tensor: TypeAlias = tf.Tensor
# Of an image in pixels: no JPEG is longer.
_LONGEST_SIDE = 65_535
Precision: TypeAlias = Literal["float32", "bfloat16"]


class ExportInfo(TypedDict):
    """What is read of glrtf_export.json."""

    size: int
    dimension: int
    max_side: NotRequired[int | None]
    antialias: NotRequired[bool]
    model_digest: str
    files: NotRequired[dict[str, str]]


@dataclasses.dataclass(frozen=True)
class Embedder:
    """A model ready to embed.

    Attributes:
        name: Where it came from.
        size: Side of its input in pixels.
        dimension: Length of its rows.
        digest: SHA-256 of its weights.
        embed: Images uint8 (b, size, size, 3) to float32 (b, dimension).
        source: Keeps the loaded model alive.
        max_side: As of `InputSpec`.
        antialias: As of `InputSpec`.
        precision: Of the network's arithmetic, float32 or bfloat16.
    """

    name: str
    size: int
    dimension: int
    digest: str
    embed: Callable[[Tensor], Tensor]
    source: Any
    max_side: int | None = None
    antialias: bool = False
    precision: Precision = "float32"

    def spec(self, size: int | None = None) -> InputSpec:
        """How a photo becomes its input, or one of another size."""
        return InputSpec(size or self.size, self.max_side, self.antialias)


def load_embedder(
    path: str, checkpoint: str = "", any_size: bool = False, precision: Precision = "float32"
) -> Embedder:
    """Loads a model; call it inside the strategy's scope.

    Args:
        path: An export's folder, or a workdir.
        checkpoint: Which checkpoint of the workdir.
        any_size: Whether images of any size are to be embedded at their size.
        precision: Of the network's arithmetic; an export is always float32.

    Raises:
        UserError: If it is neither, or does not load, or is an export that is to compute in
            another precision.
    """
    if is_export(path):
        require_model("model", path, precision=precision)
        return _from_export(path, any_size)
    return _from_workdir(path, checkpoint, any_size, precision)


def _from_export(path: str, any_size: bool) -> Embedder:
    info = json_shapes.read(files.join(path, INFO_NAME), ExportInfo)
    _refuse_nonsense(files.join(path, INFO_NAME), info)
    folders.verify(path, info.get("files", {}))
    try:
        loaded = tf.saved_model.load(path)
    except (OSError, ValueError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: cannot be loaded ({reason}); export it again") from None
    # Not ``images``, which would shrink an input that is longer than max_side again.
    name = "any_size" if any_size or "any_size" in loaded.signatures else "images"
    if name not in loaded.signatures:
        raise UserError(
            f"{path}: --scales: expected an export that takes images of any size, found one of "
            f"{info['size']} px only; export the run again, or name its workdir"
        )
    call = loaded.signatures[name]
    dimension = int(call.structured_outputs["embedding"].shape[-1])
    if info["dimension"] != dimension:
        raise UserError(
            f"{files.join(path, INFO_NAME)}: expected dimension {dimension} as the model has, found"
            f" {info['dimension']}; export it again"
        )

    def embed(images: Tensor) -> Tensor:
        return call(images=images)["embedding"]

    # Exports of earlier versions say nothing: they resize at once.
    rule = info.get("max_side") or None, info.get("antialias", False)
    digest = info["model_digest"]
    return Embedder(path, info["size"], dimension, digest, embed, loaded, *rule)


def _refuse_nonsense(path: str, info: ExportInfo) -> None:
    """Values of the right type that no export writes."""
    sides = range(1, _LONGEST_SIDE + 1)
    wanted = {
        "size": (info["size"] in sides, f"1 to {_LONGEST_SIDE} pixels"),
        "max_side": (
            info.get("max_side") is None or info["max_side"] in sides,
            f"null or 1 to {_LONGEST_SIDE} pixels",
        ),
        "model_digest": (
            re.fullmatch("[0-9a-f]{64}", info["model_digest"]) is not None,
            "64 hexadecimal digits",
        ),
    }
    for key, (is_sound, expected) in wanted.items():
        if not is_sound:
            raise UserError(
                f"{path}: {key}: expected {expected}, found {info.get(key)!r}; export it again"
            )


def _from_workdir(path: str, checkpoint: str, any_size: bool, precision: Precision) -> Embedder:
    from glrtf.training.checkpoints import load_embedding_model

    policy = "mixed_bfloat16" if precision == "bfloat16" else "float32"
    model, config = load_embedding_model(path, checkpoint or None, policy, any_size)

    # One graph, traced once however many views and replicas call it.
    embed = tf.function(
        lambda images: model(to_unit_range(images), training=False),
        input_signature=[tf.TensorSpec(model.input_shape, tf.uint8)],
        autograph=False,
    )
    dimension = int(model.output_shape[-1])
    rule = config.input.max_side or None, config.input.antialias
    digest = weights_digest(model)
    return Embedder(path, config.size, dimension, digest, embed, model, *rule, precision)
