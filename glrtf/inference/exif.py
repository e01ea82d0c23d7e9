"""Turning photos upright inside a TensorFlow graph, as their Exif orientation says.

TensorFlow decodes a JPEG as it is stored; cameras store a photo as the sensor
saw it and say beside it how it was held. Layout: Exif 2.32, section 4.5 (JPEG
marker APP1, then a TIFF header and its first directory, tag 0x0112).
"""

from typing import TypeAlias

import tensorflow as tf

Tensor: TypeAlias = tf.Tensor

_HEAD = 65536 + 4096
_MARK = b"Exif\x00\x00"
_ORIENTATION_TAG = 0x0112
_MOST_ENTRIES = 64


def orientation(encoded: Tensor) -> Tensor:
    """The Exif orientation, 1 to 8, of a JPEG file's bytes; 1 where none is told.

    Args:
        encoded: Scalar string.

    Returns:
        Scalar int32.
    """
    head = tf.cast(tf.io.decode_raw(tf.strings.substr(encoded, 0, _HEAD), tf.uint8), tf.int32)
    # A tail of zeros: whatever a damaged directory points at can be looked up.
    head = tf.concat([head, tf.zeros([64], tf.int32)], axis=0)
    mark, found = _find(head, _MARK)
    tiff = mark + len(_MARK)
    little = _at(head, tiff) == ord("I")
    directory = tiff + _number(head, tiff + 4, 4, little)
    entries = directory + 2 + 12 * tf.range(_MOST_ENTRIES)
    tags = _number(head, entries, 2, little)
    told = tf.range(_MOST_ENTRIES) < _number(head, directory, 2, little)
    is_it = told & (tags == _ORIENTATION_TAG)
    values = _number(head, entries + 8, 2, little)
    value = tf.reduce_max(tf.where(is_it, values, 0))
    is_jpeg = (_at(head, 0) == 0xFF) & (_at(head, 1) == 0xD8)
    return tf.where(is_jpeg & found & (value >= 1) & (value <= 8), value, 1)


def upright(image: Tensor, value: Tensor) -> Tensor:
    """Turns and mirrors an image (h, w, 3) as its orientation, a scalar of 1 to 8, asks."""
    branches = [
        lambda: image,
        lambda: image[:, ::-1],
        lambda: image[::-1, ::-1],
        lambda: image[::-1],
        lambda: _swapped(image),
        lambda: _swapped(image)[:, ::-1],
        lambda: _swapped(image)[::-1, ::-1],
        lambda: _swapped(image)[::-1],
    ]
    return tf.switch_case(value - 1, branches)


def _swapped(image: Tensor) -> Tensor:
    """Rows and columns exchanged.

    By looking pixels up: TensorFlow's transposition of uint8 logs an error on
    processors for which oneDNN lacks one, and a detour by another type is
    optimised away.
    """
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    places = tf.range(height)[tf.newaxis, :] * width + tf.range(width)[:, tf.newaxis]
    return tf.gather(tf.reshape(image, [height * width, tf.shape(image)[2]]), places)


def _find(head: Tensor, mark: bytes) -> tuple[Tensor, Tensor]:
    """Where the bytes first come behind an APP1 marker and its length, and whether they do."""
    wanted = [0xFF, 0xE1, None, None, *mark]
    places = tf.range(tf.maximum(tf.size(head) - len(wanted), 1))
    matches = tf.fill(tf.shape(places), True)
    for offset, byte in enumerate(wanted):
        if byte is not None:
            matches &= _at(head, places + offset) == byte
    return tf.argmax(tf.cast(matches, tf.int32), output_type=tf.int32) + 4, tf.reduce_any(matches)


def _at(head: Tensor, places: Tensor | int) -> Tensor:
    """Bytes at places, which are kept within what there is."""
    return tf.gather(head, tf.clip_by_value(places, 0, tf.size(head) - 1))


def _number(head: Tensor, places: Tensor, width: int, little: Tensor) -> Tensor:
    """Unsigned numbers of so many bytes; what does not fit an int32 is kept non-negative."""
    total = tf.zeros_like(places)
    for offset in range(width):
        order = tf.where(little, width - 1 - offset, offset)
        total = total * 256 + _at(head, places + order)
    return tf.maximum(total, 0)
