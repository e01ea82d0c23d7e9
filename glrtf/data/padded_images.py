"""Padded images (see `glrtf.data.padding`) on the device, which resizes them."""

from typing import Any, TypeAlias

from glrtf.config.keras_settings import keras

Tensor: TypeAlias = Any
ops = keras.ops


def pad(image: Tensor, side: int) -> Tensor:
    """`glrtf.data.padding.put` inside a graph.

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
