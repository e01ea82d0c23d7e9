"""The record: the fields of a TFRecord example and their names.

Two schemas map to the same tensors: ``gldv2`` (the names of the official
GLDv2 code, what is written here) and ``kaggle`` (the public Kaggle shards).
"""

import dataclasses
from typing import Any, TypedDict

from tfrecords_tools import example

VERSION = 1
NO_LABEL = -1
"""Label and landmark_id of images that have none (index and test)."""


@dataclasses.dataclass(frozen=True)
class Schema:
    """Feature names of one kind of shard.

    Attributes:
        encoded: The image file's bytes.
        image_id: The image_id, 16 hex digits.
        label: The label, int64.
        landmark_id: GLDv2's own number, int64; None if it is not stored.
    """

    encoded: str
    image_id: str
    label: str
    landmark_id: str | None


SCHEMAS = {
    "gldv2": Schema("image/encoded", "image/id", "image/class/label", "image/class/landmark_id"),
    "kaggle": Schema("image", "image_name", "target", None),
}


def encode_example(
    encoded: bytes, image_id: str, label: int, landmark_id: int, height: int, width: int
) -> bytes:
    """Serialises one record of the ``gldv2`` schema; equal input gives equal bytes.

    Args:
        encoded: A JPEG file's bytes.
        image_id: 16 hex digits.
        label: 0..num_classes-1, or -1 if there is none.
        landmark_id: GLDv2's own number, or -1.
        height: The image's height in pixels.
        width: Its width in pixels.
    """
    names = SCHEMAS["gldv2"]
    assert names.landmark_id is not None
    return example.encode(
        {
            names.encoded: encoded,
            "image/format": b"jpeg",
            "image/height": height,
            "image/width": width,
            names.image_id: image_id.encode(),
            names.label: label,
            names.landmark_id: landmark_id,
        }
    )


class Record(TypedDict):
    """One record's values, of either schema."""

    encoded: bytes
    image_id: bytes
    label: int
    landmark_id: int


def decode_example(serialized: bytes, schema: str = "gldv2") -> Record:
    """Reads one record without TensorFlow.

    Returns:
        ``encoded`` bytes, ``image_id`` bytes, ``label`` and ``landmark_id`` (-1 if they are not
        stored).

    Raises:
        ValueError: If the bytes are not such a record.
    """
    names = SCHEMAS[schema]
    features = example.decode(serialized)
    encoded, image_id = features.get(names.encoded), features.get(names.image_id)
    label = features.get(names.label, NO_LABEL)
    landmark_id = features.get(names.landmark_id or "", NO_LABEL)
    if (
        not isinstance(encoded, bytes)
        or not isinstance(image_id, bytes)
        or not isinstance(label, int)
        or not isinstance(landmark_id, int)
    ):
        raise ValueError(f"expected a record of schema {schema}, found {', '.join(features)}")
    return Record(encoded=encoded, image_id=image_id, label=label, landmark_id=landmark_id)


def parse_example(serialized: Any, schema: str = "gldv2") -> dict[str, Any]:
    """Parses records inside a TensorFlow graph.

    Args:
        serialized: A string tensor, one record (shape ``()``) or many (``(n,)``).
        schema: A key of `SCHEMAS`.

    Returns:
        Tensors of the shape of `serialized`: ``encoded`` and ``image_id``
        (string), ``label`` and ``landmark_id`` (int64, -1 if not stored).
    """
    import tensorflow as tf

    names = SCHEMAS[schema]
    integer = tf.io.FixedLenFeature((), tf.int64, default_value=NO_LABEL)
    features = {
        names.encoded: tf.io.FixedLenFeature((), tf.string),
        names.image_id: tf.io.FixedLenFeature((), tf.string),
        names.label: integer,
    }
    if names.landmark_id:
        features[names.landmark_id] = integer
    parse = tf.io.parse_single_example if serialized.shape.rank == 0 else tf.io.parse_example
    parsed = parse(serialized, features)
    label = parsed[names.label]
    return {
        "encoded": parsed[names.encoded],
        "image_id": parsed[names.image_id],
        "label": label,
        "landmark_id": parsed[names.landmark_id]
        if names.landmark_id
        else tf.fill(tf.shape(label), tf.constant(NO_LABEL, tf.int64)),
    }
