"""A model to embed with, from a SavedModel or from a training run's workdir."""

from typing import NotRequired, TypeAlias, TypedDict

import tensorflow as tf

from glrtf.inference.embedder import Embedder as Embedder
from glrtf.inference.embedder import Precision as Precision
from glrtf.inference.model_folders import INFO_NAME, is_export, require_model
from glrtf.inference.serving import to_unit_range
from glrtf.inference.weights_digest import weights_digest
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, folders, json_shapes

Tensor: TypeAlias = tf.Tensor


class ExportInfo(TypedDict):
    """What is read of glrtf_export.json."""

    size: int
    dimension: int
    max_side: NotRequired[int | None]
    antialias: NotRequired[bool]
    model_digest: str
    files: NotRequired[dict[str, str]]


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
    if info["dimension"] != dimension or info["size"] < 1:
        raise UserError(
            f"{files.join(path, INFO_NAME)}: expected dimension {dimension} as the model has, and a"
            f" positive size, found {info['dimension']} and {info['size']}; export it again"
        )

    def embed(images: Tensor) -> Tensor:
        return call(images=images)["embedding"]

    # Exports of earlier versions say nothing: they resize at once.
    rule = info.get("max_side") or None, info.get("antialias", False)
    digest = info["model_digest"]
    return Embedder(path, info["size"], dimension, digest, embed, loaded, *rule)


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
