"""This project's own models in TensorFlow: exported SavedModels and workdirs."""

from typing import TypeAlias

import tensorflow as tf

from glrtf.data.input_spec import InputSpec
from glrtf.inference import export_info
from glrtf.inference.embedder import Embedder, Precision
from glrtf.inference.export_info import spec_of
from glrtf.inference.model_folders import INFO_NAME
from glrtf.inference.serving import to_unit_range
from glrtf.inference.weights_digest import weights_digest
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, folders

Tensor: TypeAlias = tf.Tensor


def from_export(path: str, any_size: bool) -> Embedder:
    """Loads an exported SavedModel.

    Args:
        path: The export's folder.
        any_size: Whether it must take images of any size, unresized.

    Raises:
        UserError: If it has changed since the export, does not load, or takes only one size.
    """
    info = export_info.read(files.join(path, INFO_NAME))
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

    return Embedder(path, spec_of(info), dimension, info["model_digest"], embed, loaded)


def from_workdir(path: str, checkpoint: str, any_size: bool, precision: Precision) -> Embedder:
    """Loads a training run's model.

    Args:
        path: The workdir.
        checkpoint: Which checkpoint; empty takes the last.
        any_size: Whether it must take images of any size, unresized.
        precision: Of the network's arithmetic.

    Raises:
        UserError: If the checkpoint is missing or damaged.
    """
    from glrtf.training.checkpoints import load_embedding_model

    policy = "mixed_bfloat16" if precision == "bfloat16" else "float32"
    model, config = load_embedding_model(path, checkpoint or None, policy, any_size)

    # One graph, traced once for all views and replicas.
    embed = tf.function(
        lambda images: model(to_unit_range(images), training=False),
        input_signature=[tf.TensorSpec(model.input_shape, tf.uint8)],
        autograph=False,
    )
    dimension = int(model.output_shape[-1])
    spec = InputSpec.of(config.input, config.size)
    return Embedder(path, spec, dimension, weights_digest(model), embed, model, precision)
