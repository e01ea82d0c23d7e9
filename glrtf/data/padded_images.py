"""Photos padded to one size, so that the device can resize them.

A padded image is uint8 (side + 1, side, 3). Its first row holds the photo's
height and width in four bytes; the photo is below it, at the left; the rest is
black. So a batch is one tensor, which can be split and transferred like any other.
"""

from typing import Any, TypeAlias

import numpy as np

from glrtf.config.keras_settings import keras
from glrtf.data.host_images import decode_on_host

Tensor: TypeAlias = Any
ops = keras.ops


def decode(encoded: bytes, padded: np.ndarray) -> None:
    """Decodes an image file into a padded image, in place if it has the same width.

    Args:
        encoded: A file's bytes.
        padded: uint8 (side + 1, side, 3), written to.

    Raises:
        ValueError: If it is not an image, or a side is longer than the padded image's.
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
    import tensorflow as tf

    height, width = tf.shape(image)[0], tf.shape(image)[1]
    below = tf.pad(image, [[0, side - height], [0, side - width], [0, 0]])
    numbers = tf.stack([height // 256, height % 256, width // 256, width % 256])
    first = tf.pad(tf.cast(numbers, tf.uint8), [[0, side * 3 - 4]])
    return tf.concat([tf.reshape(first, [1, side, 3]), below], axis=0)


def extents(padded: Tensor) -> tuple[Tensor, Tensor]:
    """Heights and widths, int32 (b,) each, of padded photos (b, side + 1, side, 3)."""
    sizes = ops.cast(padded[:, 0, :2], "int32")
    return sizes[:, 0, 0] * 256 + sizes[:, 0, 1], sizes[:, 0, 2] * 256 + sizes[:, 1, 0]


def resize(padded: Tensor, size: int, antialias: bool = False) -> Tensor:
    """Padded photos, resized bilinearly, aspect not kept.

    Equal to `tf.image.resize` of each photo, as two matrix products, which are fast on
    accelerators; shapes are static.

    Args:
        padded: uint8 (b, side + 1, side, 3).
        size: Side of the images in pixels.
        antialias: Whether to average over the pixels that plain bilinear interpolation skips.

    Returns:
        Float32 (b, size, size, 3), 0..255, not rounded.
    """
    heights, widths = extents(padded)
    photos = ops.cast(padded[:, 1:], "float32")
    weigh = _averaging_weights if antialias else _weights
    rows = ops.einsum("bsh,bhwc->bswc", weigh(heights, size, photos.shape[1]), photos)
    return ops.einsum("btw,bswc->bstc", weigh(widths, size, photos.shape[2]), rows)


def _averaging_weights(lengths: Tensor, size: int, side: int) -> Tensor:
    """Like `_weights`, with a triangle as wide as an output pixel; outside pixels have weight 0."""
    lengths = ops.cast(lengths, "float32")[:, None, None]
    middles = (ops.arange(size, dtype="float32")[:, None] + 0.5) * lengths / size - 0.5
    places = ops.arange(side, dtype="float32")
    reach = ops.maximum(lengths / size, 1.0)
    weights = ops.maximum(1.0 - ops.abs(middles - places) / reach, 0.0)
    weights = ops.where(places < lengths, weights, 0.0)
    return weights / ops.sum(weights, axis=-1, keepdims=True)


def _weights(lengths: Tensor, size: int, side: int) -> Tensor:
    """Weights of `side` input pixels in each of `size` output pixels, (b, size, side)."""
    lengths = ops.cast(lengths, "float32")[:, None]
    # Centres of output pixels relative to the centres of input pixels, clipped at the border.
    middles = (ops.arange(size, dtype="float32") + 0.5) * lengths / size - 0.5
    middles = ops.clip(middles, 0.0, lengths - 1)
    distances = ops.abs(middles[..., None] - ops.arange(side, dtype="float32"))
    return ops.maximum(1.0 - distances, 0.0)
