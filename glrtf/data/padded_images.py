"""Photos padded to one size, so that the device can resize them.

A padded image is uint8 (side + 1, side, 3). Its first row holds the photo's
height and width in four bytes; the photo is below it, at the left; the rest is
black. A batch is one tensor that can be split and transferred like any other.
"""

from typing import TypeAlias

import numpy as np
import tensorflow as tf

from glrtf.data.decoding import decode_on_host

Tensor: TypeAlias = tf.Tensor


def decode(encoded: bytes, padded: np.ndarray) -> None:
    """Decodes an image file into a padded image, in place if it is as wide.

    Args:
        encoded: A file's bytes.
        padded: uint8 (side + 1, side, 3), written to.

    Raises:
        ValueError: If it is no image, or a side is longer than the padded image's.
    """

    def room(height: int, width: int) -> np.ndarray | None:
        return padded[1 : height + 1] if width == padded.shape[1] >= height else None

    put(decode_on_host(encoded, room), padded)


def put(image: np.ndarray, padded: np.ndarray) -> None:
    """Writes an image and its size into a padded image, overwriting what was there.

    Args:
        image: uint8 (h, w, 3).
        padded: uint8 (side + 1, side, 3), written to.

    Raises:
        ValueError: If a side of the image is longer than the padded image's.
    """
    height, width = image.shape[:2]
    side = padded.shape[1]
    if max(height, width) > side:
        raise ValueError(f"expected at most {side} pixels a side, found {height} x {width}")
    padded[0] = 0
    padded[0, 0] = height // 256, height % 256, width // 256
    padded[0, 1, 0] = width % 256
    place = padded[1 : height + 1, :width]
    if image.ctypes.data != place.ctypes.data:
        place[...] = image
    padded[1 : height + 1, width:] = 0
    padded[height + 1 :] = 0


def pad(image: Tensor, side: int) -> Tensor:
    """`put` inside a graph.

    Args:
        image: uint8 (h, w, 3).
        side: Of the padded image, in pixels.

    Returns:
        uint8 (side + 1, side, 3).

    Raises:
        tf.errors.InvalidArgumentError: At run time, if a side of the image is longer.
    """
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    below = tf.pad(image, [[0, side - height], [0, side - width], [0, 0]])
    numbers = tf.stack([height // 256, height % 256, width // 256, width % 256])
    first = tf.pad(tf.cast(numbers, tf.uint8), [[0, side * 3 - 4]])
    return tf.concat([tf.reshape(first, [1, side, 3]), below], axis=0)


def extents(padded: Tensor) -> tuple[Tensor, Tensor]:
    """Heights and widths, int32 (b,) each, of padded photos (b, side + 1, side, 3)."""
    sizes = tf.cast(padded[:, 0, :2], tf.int32)
    return sizes[:, 0, 0] * 256 + sizes[:, 0, 1], sizes[:, 0, 2] * 256 + sizes[:, 1, 0]


def resize(padded: Tensor, size: int, antialias: bool = False) -> Tensor:
    """Padded photos, resized bilinearly, aspect not kept.

    Equal to `tf.image.resize` of each photo, as two matrix products, which is
    what accelerators are good at; shapes are static.

    Args:
        padded: uint8 (b, side + 1, side, 3).
        size: Side of the images in pixels.
        antialias: Average over the pixels that are left out.

    Returns:
        Float32 (b, size, size, 3), 0..255, not rounded.
    """
    heights, widths = extents(padded)
    photos = tf.cast(padded[:, 1:], tf.float32)
    weigh = _averaging_weights if antialias else _weights
    rows = tf.einsum("bsh,bhwc->bswc", weigh(heights, size, photos.shape[1]), photos)
    return tf.einsum("btw,bswc->bstc", weigh(widths, size, photos.shape[2]), rows)


def _averaging_weights(lengths: Tensor, size: int, side: int) -> Tensor:
    """As `_weights`, with a triangle as wide as an output pixel; outside pixels have weight 0."""
    lengths = tf.cast(lengths, tf.float32)[:, None, None]
    middles = (tf.range(size, dtype=tf.float32)[:, None] + 0.5) * lengths / size - 0.5
    places = tf.range(side, dtype=tf.float32)
    reach = tf.maximum(lengths / size, 1.0)
    weights = tf.maximum(1.0 - tf.abs(middles - places) / reach, 0.0)
    weights = tf.where(places < lengths, weights, 0.0)
    return weights / tf.reduce_sum(weights, axis=-1, keepdims=True)


def _weights(lengths: Tensor, size: int, side: int) -> Tensor:
    """Weights of `side` input pixels in each of `size` output pixels, (b, size, side)."""
    lengths = tf.cast(lengths, tf.float32)[:, None]
    # Middles of output pixels among the middles of input pixels; beyond the last, the last.
    middles = (tf.range(size, dtype=tf.float32) + 0.5) * lengths / size - 0.5
    middles = tf.clip_by_value(middles, 0.0, lengths - 1)
    distances = tf.abs(middles[..., None] - tf.range(side, dtype=tf.float32))
    return tf.maximum(1.0 - distances, 0.0)
