"""Weights to begin with: of Keras, of google/automl, of files."""

import os
import warnings
from collections.abc import Mapping

import numpy as np

from glrtf.config.backbone_names import LITE, V2, family
from glrtf.config.keras_settings import keras
from glrtf.config.weights import checkpoint_url, how_to_convert, published_weights
from glrtf.models import automl
from glrtf.models.arrays import assign, read_arrays
from glrtf.models.class_shards import read_whole
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

KERAS_URL = "https://storage.googleapis.com/tensorflow/keras-applications/efficientnet_v2/"
# The names and MD5 digests that keras.applications publishes.
_KERAS_FILES = {
    "v2s": ("efficientnetv2-s_notop.h5", "af0682fb74e8c54910f2d4393339c070"),
    "v2m": ("efficientnetv2-m_notop.h5", "1b8dc055df72dde80d614482840fe342"),
    "v2l": ("efficientnetv2-l_notop.h5", "b0b66b5c863aef5b46e8608fe1711615"),
    "v2b0": ("efficientnetv2-b0_notop.h5", "893217f2bb855e2983157299931e43ff"),
    "v2b1": ("efficientnetv2-b1_notop.h5", "0e80663031ca32d657f9caa404b6ec37"),
    "v2b2": ("efficientnetv2-b2_notop.h5", "1dfe2e7a5d45b6632553a8961ea609eb"),
    "v2b3": ("efficientnetv2-b3_notop.h5", "f6abf7b5849ac99a89b50dd3fd532856"),
}
PREFIX = "backbone/"


def load_backbone(model: keras.Model, backbone: str, source: str) -> None:
    """Gives a backbone the weights that a word or a file names.

    Args:
        model: Of `build_backbone`.
        backbone: Its name.
        source: `none`, `imagenet`, of keras_hub `preset`, an .h5 or .keras file of Keras weights
            without top, or an .npz file of `glrtf weights`.

    Raises:
        UserError: If the file is missing, damaged or another model's.
    """
    if source == "none":
        return
    if family(backbone) is not V2 and source in ("imagenet", "preset"):
        _load_published(model, backbone, source)
        return
    if source == "imagenet":
        source = _imagenet_file(backbone)
    if source.endswith(".npz"):
        _load_arrays(model, source)
    else:
        _load_keras_file(model, backbone, source)


def convert_automl(model: keras.Model, backbone: str, checkpoint: str) -> dict[str, np.ndarray]:
    """The arrays of an official checkpoint under our names.

    Args:
        model: Of `build_backbone`; gives names and shapes.
        backbone: Its name.
        checkpoint: The checkpoint's folder, or its path without `.index`.

    Raises:
        UserError: If there is no checkpoint, or a variable does not fit.
    """
    import tensorflow as tf

    path = _checkpoint_path(backbone, checkpoint)
    try:
        reader = tf.train.load_checkpoint(path)
        shapes = {n: tuple(s) for n, s in reader.get_variable_to_shape_map().items()}
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise UserError(
            f"{path}: expected a TensorFlow checkpoint ({_first_line(error)})"
        ) from None
    variables = {v.path: v for v in model.weights}
    names = automl.match(backbone, variables, shapes, path)
    arrays = {}
    for ours, theirs in names.items():
        if shapes[theirs] != tuple(variables[ours].shape):
            raise UserError(
                f"{path}: {theirs}: expected the shape {tuple(variables[ours].shape)}, "
                f"found {shapes[theirs]}"
            )
        try:
            arrays[PREFIX + ours] = reader.get_tensor(theirs).astype(np.float32)
        except tf.errors.OpError as error:
            raise UserError(f"{path}: {theirs}: cannot be read ({_first_line(error)})") from None
    return arrays


def _load_published(model: keras.Model, backbone: str, word: str) -> None:
    if family(backbone) is LITE:
        from glrtf.models import lite_weights

        lite_weights.load(model, backbone)
    else:
        from glrtf.models import keras_backbones

        keras_backbones.load_weights(model, backbone, word)


def _imagenet_file(backbone: str) -> str:
    """The weight file of keras.applications, fetched if it does not exist yet."""
    if backbone not in _KERAS_FILES:
        raise UserError(
            f"--weights: Keras has no imagenet weights of {backbone}; "
            f"{how_to_convert(backbone, published_weights(backbone))}, and give that as --weights"
        )
    name, digest = _KERAS_FILES[backbone]
    home = os.path.expanduser(os.environ.get("KERAS_HOME", "~/.keras"))
    try:
        return keras.utils.get_file(
            name,
            KERAS_URL + name,
            cache_dir=home,
            cache_subdir="models",
            file_hash=digest,
            hash_algorithm="md5",
        )
    except Exception as error:
        # get_file raises plain Exception where the network fails, ValueError for a wrong digest.
        place = os.path.join(home, "models", name)
        raise UserError(
            f"--weights: could not fetch {KERAS_URL}{name} ({_first_line(error)}); "
            f"put that file at {place}"
        ) from None


def _load_keras_file(model: keras.Model, backbone: str, path: str) -> None:
    if not files.exists(path):
        raise UserError(f"{path}: no such file of weights")
    # Keras fills variables one after the other, and only warns of those it finds no values for:
    # keep the old ones, and tell by NaN which were left out.
    before = model.get_weights()
    model.set_weights([np.full_like(value, np.nan) for value in before])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            model.load_weights(path)
        empty = [v.path for v in model.weights if np.isnan(read_whole(v)).any()]
        if empty:
            raise ValueError(f"no values for {empty[0]}")
    except Exception as error:
        # h5py, zipfile and Keras each have errors of their own for a file that does not fit.
        model.set_weights(before)
        raise UserError(
            f"{path}: expected Keras weights of {backbone} without top ({_first_line(error)})"
        ) from None


def _load_arrays(model: keras.Model, path: str) -> None:
    arrays: Mapping[str, np.ndarray] = read_arrays(path)
    assign({PREFIX + v.path: v for v in model.weights}, arrays, path)


def _checkpoint_path(backbone: str, checkpoint: str) -> str:
    if os.path.exists(f"{checkpoint}.index"):
        return checkpoint
    if os.path.isdir(checkpoint):
        stems = [n.removesuffix(".index") for n in os.listdir(checkpoint) if n.endswith(".index")]
        if len(stems) == 1:
            return os.path.join(checkpoint, stems[0])
        found = ", ".join(sorted(stems)) or "none"
        raise UserError(f"{checkpoint}: expected one checkpoint in the folder, found {found}")
    url = checkpoint_url(backbone)
    raise UserError(f"{checkpoint}: no such checkpoint; fetch {url} and unpack it there")


def _first_line(error: Exception) -> str:
    text = next(iter(str(error).strip().splitlines()), "")
    return (text or type(error).__name__)[:200]
