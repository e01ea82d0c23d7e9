"""SavedModels and .keras files, run by TensorFlow on the devices of a strategy."""

import hashlib
import json
from typing import Any

import tensorflow as tf

from glrtf.inference.descriptors.manifests import MANIFEST_NAME
from glrtf.inference.descriptors.raw_models import RawModel, TensorInfo
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, folders
from tfrecords_tools.storage.local_copies import local_copy


def load_saved_model(path: str, signature: str | None = None) -> RawModel:
    """Loads a SavedModel's signature.

    Args:
        path: Its folder.
        signature: Which; None takes serving_default, or the only one.

    Raises:
        UserError: If it does not load, or has no such signature.
    """
    try:
        loaded = tf.saved_model.load(path)
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise UserError(
            f"{path}: expected a SavedModel, found one that TensorFlow {tf.__version__} refuses"
            f" ({str(error).splitlines()[0][:200]})"
        ) from None
    call = loaded.signatures[_signature(path, sorted(loaded.signatures), signature)]
    _, named = call.structured_input_signature
    inputs = [_info(name, spec) for name, spec in sorted(named.items())]
    outputs = [_info(name, spec) for name, spec in sorted(call.structured_outputs.items())]

    def run(images: Any, name: str, output: str) -> Any:
        return call(**{name: images})[output]

    found = folders.digests(path, without=MANIFEST_NAME)
    # fingerprint.pb differs each time that the same model is saved.
    found.pop("fingerprint.pb", None)
    digest = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()
    return RawModel(inputs, outputs, run, digest, "tensorflow", True, loaded)


def load_keras(path: str) -> RawModel:
    """Loads a .keras file; code in it is not run.

    Raises:
        UserError: If it is not a .keras file, or needs code other than Keras's own.
    """
    from glrtf.config.keras_settings import keras

    try:
        model = keras.saving.load_model(local_copy(path), compile=False, safe_mode=True)
    except Exception as error:  # zipfile, h5py and Keras each have their own errors.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise UserError(
            f"{path}: expected a .keras file of Keras's own layers, found one that Keras"
            f" {keras.__version__} refuses ({reason}); export it as a SavedModel"
        ) from None
    return of_keras(model, files.sha256(path))


def of_keras(model: Any, digest: str, suggested: dict[str, Any] | None = None) -> RawModel:
    """A Keras model that is already loaded."""
    inputs = [TensorInfo(each.name, tuple(each.shape), str(each.dtype)) for each in model.inputs]
    outputs = [
        TensorInfo(name, tuple(each.shape), str(each.dtype))
        for name, each in zip(model.output_names, model.outputs, strict=True)
    ]

    def run(images: Any, name: str, output: str) -> Any:
        found = model({name: images} if isinstance(model.input, dict) else images, training=False)
        values = list(found.values()) if isinstance(found, dict) else tf.nest.flatten(found)
        return values[[each.name for each in outputs].index(output)]

    return RawModel(inputs, outputs, run, digest, "tensorflow", True, model, suggested or {})


def _signature(path: str, names: list[str], wanted: str | None) -> str:
    if wanted is None and "serving_default" in names:
        return "serving_default"
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted in names:
        return str(wanted)
    found = "no name" if wanted is None else repr(wanted)
    raise UserError(
        f"{path}: expected one of its signatures ({', '.join(names) or 'none'}), found {found};"
        " choose one with --descriptor.signature"
    )


def _info(name: str, spec: Any) -> TensorInfo:
    shape = None if spec.shape.rank is None else tuple(spec.shape)
    return TensorInfo(name, shape, spec.dtype.name)
