"""A model to embed with: ours, from an export or a workdir, or another project's."""

from collections.abc import Mapping
from typing import Any

from glrtf.config.descriptor import DescriptorConfig, RuntimeChoice
from glrtf.inference import lite_copy
from glrtf.inference.descriptors import loading, own_files, runtimes
from glrtf.inference.descriptors.kinds import Kind, is_own
from glrtf.inference.descriptors.required import require_model
from glrtf.inference.embedder import Embedder, Precision


def load_embedder(
    path: str,
    checkpoint: str = "",
    any_size: bool = False,
    precision: Precision = "float32",
    descriptor: DescriptorConfig | None = None,
    recorded: Mapping[str, Any] | None = None,
    runtime: RuntimeChoice = "auto",
    on_cpu: bool = True,
    light: bool = False,
) -> Embedder:
    """Loads a model; call it inside the strategy's scope if TensorFlow runs the model.

    Args:
        path: An export's folder or file, a workdir, or another project's model; see
            `glrtf.inference.descriptors.kinds`.
        checkpoint: Which checkpoint of the workdir.
        any_size: Whether it must take images of any size, unresized.
        precision: Of the network's arithmetic.
        descriptor: What the file of another project's model does not define.
        recorded: The preparation of the set that its rows are compared with, if any; used for
            settings in neither `descriptor` nor a manifest.
        runtime: What computes it.
        on_cpu: Whether TensorFlow would compute it on one CPU.
        light: Whether an export's LiteRT copy may be used instead: if there is one and LiteRT is
            installed, TensorFlow is not loaded.

    Raises:
        UserError: If it is none of these, does not load, or does not support the precision or
            runtime.
    """
    descriptor = descriptor or DescriptorConfig()
    kind = require_model("model", path, checkpoint, precision, descriptor, runtime)
    chosen = runtimes.choose("model", path, kind, runtime, precision, on_cpu)
    by_tensorflow = precision if chosen == "tensorflow" else "float32"
    if kind == "export" and light and chosen == "tensorflow" and lite_copy.is_usable(path):
        return own_files.load_copy(path)
    if kind in ("workdir", "export"):
        found = _by_tensorflow(path, kind, checkpoint, any_size, by_tensorflow)
    elif is_own(path, kind):
        return own_files.load(path, kind, any_size, chosen, precision)
    else:
        found = loading.load_foreign(path, kind, descriptor, any_size, recorded, chosen, precision)
    if chosen != "openvino" or found.runtime == "openvino":
        return found
    from glrtf.inference.descriptors import openvino_models

    return openvino_models.converted(found, precision, any_size)


def _by_tensorflow(
    path: str, kind: Kind, checkpoint: str, any_size: bool, precision: Precision
) -> Embedder:
    from glrtf.inference import own_models

    if kind == "export":
        return own_models.from_export(path, any_size)
    return own_models.from_workdir(path, checkpoint, any_size, precision)
