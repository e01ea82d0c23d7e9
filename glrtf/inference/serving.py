"""The exported model: its signatures, and the comparison with the model."""

import dataclasses
import io
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from glrtf.config.keras_settings import keras
from glrtf.data import decoding
from glrtf.data.input_spec import InputSpec
from glrtf.inference.graph_photos import prepare, read_photo
from glrtf.inference.model_folders import INFO_NAME
from glrtf.inference.weights_digest import weights_digest
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, folders

Tensor: TypeAlias = tf.Tensor

TOLERANCE = 1e-5
"""The largest accepted difference between an embedding's values in the export and the model."""


def _signature(spec: tf.TensorSpec) -> Any:
    """Decorates a signature; its branches on tensors are all `tf.cond`, so AutoGraph is off."""
    return tf.function(input_signature=[spec], autograph=False)


class ServingModel(tf.Module):
    """An embedding model with its preprocessing, as functions that TensorFlow can save.

    Images are resized to the model's size and rounded to uint8, as they were for
    training; those longer than the shards' max_side are first resized to that.

    Args:
        model: Images in [0, 1] (b, size, size, 3) to unit rows (b, d) float32; if it takes any
            size, there is a signature that does not resize.
        spec: How the other signatures make the model's input.
    """

    def __init__(self, model: keras.Model, spec: InputSpec) -> None:
        super().__init__(name="glrtf")
        self._spec = spec
        self._size = spec.size
        self._takes_any_size = model.input_shape[1] is None
        # Plain variables: the saved model does not depend on Keras.
        self.weights = [variable.value for variable in model.variables]
        # One function for all signatures: the network is traced, and saved, once.
        self._network = tf.function(
            lambda images: model(to_unit_range(images), training=False),
            input_signature=[tf.TensorSpec(model.input_shape, tf.uint8)],
            autograph=False,
        )

    @property
    def signatures(self) -> dict[str, Any]:
        """The functions to save, under the names that clients call."""
        resizing = {
            "serving_default": self.from_encoded,
            "images": self.from_images,
            "global_descriptor": self.from_image,
        }
        return {**resizing, "any_size": self.unresized} if self._takes_any_size else resizing

    @_signature(tf.TensorSpec([None], tf.string, name="encoded"))
    def from_encoded(self, encoded: Tensor) -> dict[str, Tensor]:
        """Bytes of JPEG or PNG files (b,), turned upright, to ``embedding`` (b, d)."""
        images = tf.map_fn(
            lambda one: _photo_input(one, self._spec),
            encoded,
            fn_output_signature=tf.TensorSpec([self._size, self._size, 3], tf.uint8),
        )
        return {"embedding": self._embed(images)}

    @_signature(tf.TensorSpec([None, None, None, 3], tf.uint8, name="images"))
    def from_images(self, images: Tensor) -> dict[str, Tensor]:
        """Images uint8 (b, h, w, 3) to ``embedding`` (b, d)."""
        return {"embedding": self._embed(prepare(images, self._spec))}

    @_signature(tf.TensorSpec([None, None, 3], tf.uint8, name="input_image"))
    def from_image(self, input_image: Tensor) -> dict[str, Tensor]:
        """One image uint8 (h, w, 3) to ``global_descriptor`` (d,), which Kaggle's graders call."""
        image = prepare(input_image, self._spec)
        return {"global_descriptor": self._embed(image[None])[0]}

    @_signature(tf.TensorSpec([None, None, None, 3], tf.uint8, name="images"))
    def unresized(self, images: Tensor) -> dict[str, Tensor]:
        """Images uint8 (b, h, w, 3), embedded at their own size, to ``embedding`` (b, d)."""
        return {"embedding": self._embed(images)}

    def _embed(self, images: Tensor) -> Tensor:
        return self._network(images)


def _photo_input(encoded: Tensor, spec: InputSpec) -> Tensor:
    """A file's bytes to uint8 (size, size, 3)."""
    return decoding.resize(read_photo(encoded, spec.max_side), spec.size, spec.antialias)


def to_unit_range(images: Tensor) -> Tensor:
    """uint8 to float32 in [0, 1]."""
    return tf.cast(images, tf.float32) / 255.0


def _reason(error: tf.errors.OpError) -> str:
    return error.message.splitlines()[0].rpartition(";")[2].strip()


def export(
    model: keras.Model,
    spec: InputSpec | int,
    folder: str,
    facts: Mapping[str, Any],
    add: Callable[[str], None] | None = None,
) -> float:
    """Writes a SavedModel, loads it again and compares it, then moves it into place.

    Args:
        model: See `ServingModel`.
        spec: How its input is made, or only the input's side in pixels.
        folder: The output folder; an existing export is replaced.
        facts: Further values for its description, JSON.
        add: Called with the temporary folder, to write further files into it.

    Returns:
        The largest difference found, at most `TOLERANCE`.

    Raises:
        UserError: If the folder contains something else.
        ArithmeticError: If the export disagrees with the model.
    """
    _refuse_foreign(folder)
    spec = InputSpec(spec) if isinstance(spec, int) else spec
    with folders.atomic_folder(folder) as temporary:
        serving = ServingModel(model, spec)
        try:
            tf.saved_model.save(serving, temporary, signatures=serving.signatures)
        except tf.errors.OpError as error:  # TensorFlow's word for a full or faulty disk.
            raise UserError(f"{folder}: cannot be written ({_reason(error)})") from None
        difference = parity(model, spec, temporary)
        if not difference <= TOLERANCE:
            raise ArithmeticError(
                f"export: expected embeddings within {TOLERANCE} of the model's, found {difference}"
            )
        if add is not None:
            add(temporary)
        info = {
            **dataclasses.asdict(spec),
            "dimension": int(model.output_shape[-1]),
            "model_digest": weights_digest(model),
            "parity": difference,
            "files": folders.digests(temporary),
            **facts,
        }
        files.write_json(files.join(temporary, INFO_NAME), info)
    return difference


def parity(model: keras.Model, spec: InputSpec, folder: str) -> float:
    """The largest difference between a SavedModel's values and the model's.

    All signatures are called with synthetic pictures of several sizes. The model is traced too: run
    eagerly it rounds differently, and a model that gets sizes it was not trained at can amplify
    that to the size of a real fault.
    """
    signatures = tf.saved_model.load(folder).signatures
    # One trace for all sizes, where the model takes them.
    embed = tf.function(
        lambda images: model(to_unit_range(images), training=False),
        input_signature=[tf.TensorSpec(model.input_shape, tf.uint8)],
        autograph=False,
    )
    size = spec.size
    shapes = ((size, size), (size // 2 + 7, size + 13), (301, 203))
    pictures = [_picture(seed, *shape) for seed, shape in enumerate(shapes)]
    encoded = [tf.constant(_encode(each, kind)) for each in pictures for kind in ("JPEG", "PNG")]
    pixels = [decoding.decode(each) for each in encoded]
    of_files = embed(tf.stack([_photo_input(each, spec) for each in encoded]))
    of_pixels = embed(tf.stack([prepare(each, spec) for each in pixels]))
    found = (
        signatures["serving_default"](encoded=tf.stack(encoded))["embedding"] - of_files,
        tf.concat([signatures["images"](images=each[None])["embedding"] for each in pixels], 0)
        - of_pixels,
        tf.stack(
            [signatures["global_descriptor"](input_image=p)["global_descriptor"] for p in pixels]
        )
        - of_pixels,
    )
    # NumPy's max propagates NaN, which then exceeds any tolerance.
    difference = float(np.abs(np.stack(found)).max())
    if "any_size" not in signatures:
        return difference
    wide = tf.constant(_picture(len(pictures), 64, 96))[None]
    embedded = signatures["any_size"](images=wide)["embedding"]
    expected = embed(wide)
    return float(np.max([difference, np.abs(embedded - expected).max()]))


def _picture(seed: int, height: int, width: int) -> np.ndarray:
    """A synthetic picture of smooth colours with grain; uint8 (height, width, 3)."""
    from PIL import Image

    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    soft = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    grain = generator.normal(0, 8, (height, width, 3))
    return np.clip(np.asarray(soft) + grain, 0, 255).astype(np.uint8)


def _encode(picture: np.ndarray, kind: str) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind)
    return buffer.getvalue()


def _refuse_foreign(folder: str) -> None:
    """Only an export, or an empty folder, may be replaced."""
    if os.path.isdir(folder) and os.listdir(folder):
        if not files.exists(files.join(folder, INFO_NAME)):
            raise UserError(
                f"{folder}: expected an export or nothing, found other files; remove"
                " them or choose another --output"
            )
    elif os.path.exists(folder) and not os.path.isdir(folder):
        raise UserError(f"{folder}: expected a folder, found a file; choose another --output")
