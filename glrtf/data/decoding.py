"""From a record's bytes to a uint8 image of one size."""

from typing import Any, TypeAlias

import tensorflow as tf

from glrtf.data.records import BadRecords
from glrtf.data.shards import ShardSet
from tfrecords_tools import schema

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


def decode_record(serialized: Tensor, schema_name: str, size: int) -> dict[str, Tensor]:
    """Parses, decodes and resizes one record, or says that it cannot.

    Args:
        serialized: Scalar string.
        schema_name: A key of `tfrecords_tools.schema.SCHEMAS`.
        size: Side of the image in pixels.

    Returns:
        ``image`` uint8 (size, size, 3), ``image_id`` string, ``label`` int32,
        and ``ok`` bool: where it is false the rest means nothing.
    """

    def whole(serialized: Tensor) -> dict[str, Tensor]:
        record = schema.parse_example(serialized, schema_name)
        return {
            "image": tf.ensure_shape(resize(decode(record["encoded"]), size), [size, size, 3]),
            "image_id": record["image_id"],
            "label": tf.cast(record["label"], tf.int32),
            "ok": tf.constant(True),
        }

    nothing = {
        "image": tf.zeros([size, size, 3], tf.uint8),
        "image_id": tf.constant(b""),
        "label": tf.constant(schema.NO_LABEL, tf.int32),
        "ok": tf.constant(False),
    }
    # A graph cannot catch an error; a data set of one element can leave it out.
    tried = tf.data.Dataset.from_tensors(serialized).map(whole).ignore_errors()
    return tried.concatenate(tf.data.Dataset.from_tensors(nothing)).take(1).get_single_element()


def keep_whole(
    ok: Tensor, shard: Tensor, position: Tensor, shard_set: ShardSet, bad: BadRecords
) -> Tensor:
    """Passes `ok` on; a record that could not be decoded is noted.

    Args:
        ok: Scalar bool.
        shard: Scalar int64, which shard the record is from.
        position: Scalar int64, where in it.
        shard_set: The shards.
        bad: Takes the note, and raises when there are too many.
    """

    def note(shard: Any, position: Any) -> Any:
        path = shard_set.shards[int(shard)].path
        bad.add(path, int(position), "not a record with a JPEG or PNG image")
        return False

    return tf.cond(
        ok,
        lambda: True,
        lambda: tf.ensure_shape(tf.numpy_function(note, [shard, position], bool), []),
    )
