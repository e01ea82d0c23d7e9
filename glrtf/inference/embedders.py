"""A model to embed with: ours, from an export or a workdir, or another project's."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import tensorflow as tf

from glrtf.config.descriptor import DescriptorConfig, RuntimeChoice
from glrtf.data.input_spec import InputSpec
from glrtf.inference.descriptors import loading, own_files, runtimes
from glrtf.inference.descriptors.kinds import is_own
from glrtf.inference.descriptors.required import require_model
from glrtf.inference.embedder import Embedder, Precision
from glrtf.inference.export_info import ExportInfo, spec_of
from glrtf.inference.model_folders import INFO_NAME
from glrtf.inference.serving import to_unit_range, weights_digest
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, folders, json_shapes

Tensor: TypeAlias = tf.Tensor


def load_embedder(
    path: str,
    checkpoint: str = "",
    any_size: bool = False,
    precision: Precision = "float32",
    descriptor: DescriptorConfig | None = None,
    recorded: Mapping[str, Any] | None = None,
    runtime: RuntimeChoice = "auto",
    on_cpu: bool = True,
) -> Embedder:
    """Loads a model; call it inside the strategy's scope.

    Args:
        path: An export's folder or file, a workdir, or another project's model; see
            `glrtf.inference.descriptors.kinds`.
        checkpoint: Which checkpoint of the workdir.
        any_size: Whether images of any size are to be embedded at their size.
        precision: Of the network's arithmetic.
        descriptor: What the file of another project's model does not say.
        recorded: The preparation of the set that its rows are compared with, if any; it counts
            where neither `descriptor` nor a manifest says something.
        runtime: What computes it.
        on_cpu: Whether TensorFlow would compute it on one CPU.

    Raises:
        UserError: If it is none of these, or does not load, or cannot compute so.
    """
    descriptor = descriptor or DescriptorConfig()
    kind = require_model("model", path, checkpoint, precision, descriptor, runtime)
    chosen = runtimes.choose("model", path, kind, runtime, precision, on_cpu)
    by_tensorflow = precision if chosen == "tensorflow" else "float32"
    if kind == "workdir":
        found = _from_workdir(path, checkpoint, any_size, by_tensorflow)
    elif kind == "export":
        found = _from_export(path, any_size)
    elif is_own(path, kind):
        return own_files.load(path, kind, any_size, chosen, precision)
    else:
        found = loading.load_foreign(path, kind, descriptor, any_size, recorded, chosen, precision)
    if chosen != "openvino" or found.runtime == "openvino":
        return found
    from glrtf.inference.descriptors import openvino_models

    return openvino_models.converted(found, precision, any_size)


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

    return Embedder(path, spec_of(info), dimension, info["model_digest"], embed, loaded)


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
    spec = InputSpec.of(config.input, config.size)
    return Embedder(path, spec, dimension, weights_digest(model), embed, model, precision)
