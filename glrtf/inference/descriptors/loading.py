"""A model of another project, ready to embed."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from glrtf.config.descriptor import DescriptorConfig
from glrtf.inference.descriptors import arithmetic, manifests
from glrtf.inference.descriptors.kinds import Kind
from glrtf.inference.descriptors.manifests import Preparation
from glrtf.inference.descriptors.raw_models import RawModel
from glrtf.inference.embedder import Embedder, Precision, Runtime
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

_PROBE = 2


def load_raw(
    model: str,
    kind: Kind,
    signature: str | None,
    runtime: Runtime | None = None,
    precision: Precision = "float32",
) -> RawModel:
    """Loads a model of a kind; call it inside the strategy's scope if TensorFlow runs the model.

    Args:
        model: Its name.
        kind: See `kinds.kind_of`.
        signature: Of a SavedModel or TFLite file.
        runtime: The runtime; None and tensorflow mean the kind's own.
        precision: Of OpenVINO's arithmetic.
    """
    if signature is not None and kind not in ("saved_model", "tflite"):
        raise UserError(
            f"{model}: --descriptor.signature: expected none for a model without signatures, found"
            f" {signature!r}"
        )
    if runtime == "openvino" and kind in ("onnx", "tflite"):
        from glrtf.inference.descriptors import onnx_file, openvino_models

        digest = onnx_file.file_digest(model) if kind == "onnx" else files.sha256(model)
        return openvino_models.load_file(model, digest, precision)
    if kind == "onnx":
        from glrtf.inference.descriptors import onnx_file

        return onnx_file.load(model)
    if kind == "tflite":
        from glrtf.inference.descriptors import tflite_file

        return tflite_file.load(model, signature)
    if kind == "function":
        from glrtf.inference.descriptors import functions

        return functions.load(model)
    if kind == "keras_hub":
        from glrtf.inference.descriptors import hub

        return hub.load(model)
    from glrtf.inference.descriptors import tensorflow_models

    if kind == "keras":
        return tensorflow_models.load_keras(model)
    return tensorflow_models.load_saved_model(model, signature)


def load_foreign(
    model: str,
    kind: Kind,
    config: DescriptorConfig,
    any_size: bool = False,
    recorded: Mapping[str, Any] | None = None,
    runtime: Runtime | None = None,
    precision: Precision = "float32",
) -> Embedder:
    """Loads a model of another project.

    Args:
        model: Its name.
        kind: See `kinds.kind_of`.
        config: The flags.
        any_size: Whether images of other sizes than the manifest's will be embedded, too.
        recorded: The preparation of a set that it must agree with; see `manifests.merged`.
        runtime: The runtime of an ONNX or TFLite file; None means its own.
        precision: Of OpenVINO's arithmetic.

    Raises:
        UserError: If it does not load or run, or a setting is missing.
    """
    manifest = manifests.merged(model, config, recorded)
    raw = load_raw(model, kind, manifest.signature, runtime, precision)
    rule = manifests.complete(model, raw, manifest)
    embedder = make_embedder(model, raw, rule, any_size)
    if raw.runtime == "openvino":
        return dataclasses.replace(embedder, precision=precision)
    return embedder


def make_embedder(model: str, raw: RawModel, rule: Preparation, any_size: bool = False) -> Embedder:
    """A loaded model and its preparation as an `Embedder`; runs it once to learn its dimension."""
    [image] = [each for each in raw.inputs if each.name == rule.input]
    batch, side = (image.shape[0], image.shape[2]) if image.shape else (None, None)
    if any_size and side is not None:
        raise UserError(
            f"{model}: --scales: expected a model that takes images of any size, found one of"
            f" {side} px only; leave --scales out"
        )
    in_graph = raw.in_graph and rule.resize != "keep" and batch is None
    embed = _on_host(model, raw, rule, batch)
    probe = embed(np.full((_PROBE, rule.size, rule.size, 3), 128, np.uint8))
    digest = hashlib.sha256(
        json.dumps([raw.digest, rule.as_json()], sort_keys=True).encode()
    ).hexdigest()
    return Embedder(
        model,
        rule.spec,
        probe.shape[1],
        digest,
        _in_graph(model, raw, rule) if in_graph else embed,
        raw,
        runtime=raw.runtime,
        in_graph=in_graph,
        stride=rule.stride,
        unit_views=rule.l2,
        preparation=rule.as_json(),
    )


def _on_host(
    model: str, raw: RawModel, rule: Preparation, batch: int | None
) -> Callable[[np.ndarray], np.ndarray]:
    """Images uint8 (n, h, w, 3) to rows (n, d), in batches of a fixed length if need be."""

    def once(images: np.ndarray) -> np.ndarray:
        values = arithmetic.model_input(images, rule, arithmetic.NUMPY)
        try:
            output = np.asarray(raw.run(values, rule.input, rule.output))
        except UserError:
            raise
        except Exception as error:  # Every runtime, and every function, has its own errors.
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise UserError(
                f"{model}: expected it to run on {values.dtype} {values.shape}, found it does not"
                f" ({reason}); check --descriptor.size, .layout and .dtype"
            ) from None
        if output.dtype.kind not in "fiu":
            raise UserError(
                f"{model}: expected an output of numbers, found {output.dtype} {output.shape}"
            )
        return arithmetic.rows(output, rule, arithmetic.NUMPY, len(images), model)

    def in_batches(images: np.ndarray) -> np.ndarray:
        assert batch is not None
        found = []
        for first in range(0, len(images), batch):
            share = images[first : first + batch]
            padded = np.concatenate(
                [share, np.zeros((batch - len(share), *share.shape[1:]), np.uint8)]
            )
            found.append(once(padded)[: len(share)])
        return np.concatenate(found)

    return once if batch is None else in_batches


def _in_graph(model: str, raw: RawModel, rule: Preparation) -> Callable[[Any], Any]:
    ops = arithmetic.tensorflow_operations()

    def embed(images: Any) -> Any:
        values = arithmetic.model_input(images, rule, ops)
        output = raw.run(values, rule.input, rule.output)
        return arithmetic.rows(output, rule, ops, images.shape[0], model)

    return embed
