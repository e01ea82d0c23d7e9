"""From a record's bytes to a uint8 image of one size."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from glrtf.data.records import BadRecord, BadRecords
from glrtf.data.shards import ShardSet
from tfrecords_tools import schema
from tfrecords_tools.errors import UserError

Tensor: TypeAlias = tf.Tensor


def decode(encoded: Tensor) -> Tensor:
    """Decodes the bytes of one JPEG or PNG; uint8 (h, w, 3)."""
    image = tf.io.decode_jpeg(encoded, channels=3)
    image.set_shape([None, None, 3])
    return image


def resize(image: Tensor, size: int) -> Tensor:
    """Bilinear, aspect not kept, values rounded; uint8 (h, w, 3) → (size, size, 3)."""
    resized = tf.image.resize(image, [size, size], method="bilinear")
    return tf.cast(tf.round(resized), tf.uint8)


def fast_resize(image: Tensor, size: int) -> Tensor:
    """As `resize`, by OpenCV: within 1 of the exact value, in a third of the time."""
    resized = tf.numpy_function(_opencv_resize(size), [image], tf.uint8)
    return tf.ensure_shape(resized, [size, size, 3])


def _opencv_resize(size: int) -> Callable[[np.ndarray], np.ndarray]:
    try:
        import cv2
    except ImportError:
        raise UserError(
            "exact_resize: expected OpenCV for the fast resize, found none; pip install"
            " opencv-python-headless, or use --input.exact_resize"
        ) from None
    cv2.setNumThreads(0)  # tf.data runs one resize on each core already.

    def opencv_resize(image: np.ndarray) -> np.ndarray:
        return cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR)

    return opencv_resize


@dataclasses.dataclass(frozen=True)
class Shaper:
    """What is made of a decoded image.

    Attributes:
        shapes: Of the results, uint8: one shape or a tuple of them.
        shape_image: From uint8 (h, w, 3) to one tensor or a tuple of them.
        wanted: What an image must be, for messages.
    """

    shapes: Any
    shape_image: Callable[[Tensor], Any]
    wanted: str = "a JPEG or PNG image"


def decode_record(serialized: Tensor, schema_name: str, shaper: Shaper) -> dict[str, Any]:
    """Parses and decodes one record and brings it into shape, or says that it cannot.

    Args:
        serialized: Scalar string.
        schema_name: A key of `tfrecords_tools.schema.SCHEMAS`.
        shaper: Makes images of one shape.

    Returns:
        ``image`` uint8 of the shaper's shapes, ``image_id`` string, ``label``
        int32, and ``ok`` bool: where it is false only the image_id means
        something, and it may be empty.
    """
    no_image = tf.nest.map_structure(lambda shape: tf.zeros(shape, tf.uint8), shaper.shapes)

    def whole(serialized: Tensor) -> dict[str, Any]:
        record = schema.parse_example(serialized, schema_name)
        image = shaper.shape_image(decode(record["encoded"]))
        image = tf.nest.map_structure(tf.ensure_shape, image, shaper.shapes)
        return _result(image, record["image_id"], record["label"], ok=True)

    def without_image(serialized: Tensor) -> dict[str, Any]:
        record = schema.parse_example(serialized, schema_name)
        return _result(no_image, record["image_id"], record["label"], ok=False)

    def nothing(serialized: Tensor) -> dict[str, Any]:
        return _result(no_image, b"", tf.constant(schema.NO_LABEL, tf.int64), ok=False)

    # A graph cannot catch an error; a data set of one element can leave it out.
    record = tf.data.Dataset.from_tensors(serialized)
    tries = record.map(whole).ignore_errors().concatenate(record.map(without_image).ignore_errors())
    return tries.concatenate(record.map(nothing)).take(1).get_single_element()


def _result(image: Any, image_id: Any, label: Tensor, ok: bool) -> dict[str, Any]:
    return {
        "image": image,
        "image_id": tf.convert_to_tensor(image_id),
        "label": tf.cast(label, tf.int32),
        "ok": tf.constant(ok),
    }


def keep_whole(
    record: dict[str, Tensor],
    shard: Tensor,
    position: Tensor,
    shard_set: ShardSet,
    wanted: str,
    bad: BadRecords,
) -> Tensor:
    """Whether a record is whole, scalar bool; one that is not is noted.

    Args:
        record: What `decode_record` gave.
        shard: Scalar int64, which shard the record is from.
        position: Scalar int64, where in it.
        shard_set: The shards.
        wanted: What an image must be, for the note.
        bad: Takes the note, and raises when there are too many.
    """

    def note(shard: Any, position: Any, image_id: bytes) -> Any:
        reason = f"not {wanted}" if image_id else "not a record of an image"
        path = shard_set.shards[int(shard)].path
        bad.add(BadRecord(path, int(position), reason, image_id.decode(errors="replace")))
        return False

    def noted() -> Tensor:
        broken = tf.numpy_function(note, [shard, position, record["image_id"]], bool)
        return tf.ensure_shape(broken, [])

    return tf.cond(record["ok"], lambda: True, noted)
