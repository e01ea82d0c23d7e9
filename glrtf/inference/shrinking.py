"""The builder's --max_side inside a TensorFlow graph: long photos resized before anything else.

The builder does it with Pillow's ``thumbnail`` and Lanczos filter, and encodes the result as a
JPEG again. The graph uses the same filter and the same rule for the sides, and encodes nothing,
so its pixels differ by what that JPEG loses, and where a photo is four times too long or more
by Pillow's averaging of whole blocks of pixels before the filter.
"""

from collections.abc import Callable
from typing import TypeAlias

import tensorflow as tf

Tensor: TypeAlias = tf.Tensor


def shrink(images: Tensor, max_side: int | None) -> Tensor:
    """Resizes images with a longer side to `max_side`, aspect kept.

    Args:
        images: uint8 (..., h, w, 3), one or a batch of one size.
        max_side: Pixels; None or 0 for any length.

    Returns:
        uint8 (..., h', w', 3).
    """
    if not max_side:
        return images
    height, width = tf.shape(images)[-3], tf.shape(images)[-2]

    def smaller() -> Tensor:
        short_height, short_width = tf.unstack(_thumbnail_sides(height, width, max_side))
        # Pillow rounds between the two: without that, sharp edges differ by 20 levels.
        narrow = _lanczos(images, tf.stack([height, short_width]))
        return _lanczos(narrow, tf.stack([short_height, short_width]))

    return tf.cond(tf.maximum(height, width) > max_side, smaller, lambda: images)


def _lanczos(images: Tensor, sides: Tensor) -> Tensor:
    resized = tf.image.resize(images, sides, method="lanczos3", antialias=True)
    return tf.cast(tf.round(tf.clip_by_value(resized, 0.0, 255.0)), tf.uint8)


def _thumbnail_sides(height: Tensor, width: Tensor, max_side: int) -> Tensor:
    """Height and width, int32 (2,), to which Pillow's ``thumbnail`` would resize.

    The long side becomes `max_side`, the other that whole number by which the ratio of the
    sides changes least.
    """
    tall, wide = tf.cast(height, tf.float64), tf.cast(width, tf.float64)
    aspect = wide / tall
    side = tf.constant(max_side, tf.float64)
    by_width = _nearest(side / aspect, lambda n: tf.abs(aspect - side / n))
    by_height = _nearest(side * aspect, lambda n: tf.abs(aspect - n / side))
    full = tf.constant(max_side)
    return tf.where(aspect >= 1, tf.stack([by_width, full]), tf.stack([full, by_height]))


def _nearest(value: Tensor, error: Callable[[Tensor], Tensor]) -> Tensor:
    """The whole number below or above a value with the smaller error, 1 at least; int32."""
    below, above = tf.math.floor(value), tf.math.ceil(value)
    # Not 0: the error would divide by it, and no image is that thin.
    first = tf.maximum(below, 1.0)
    chosen = tf.where(error(first) <= error(above), first, above)
    return tf.cast(tf.maximum(chosen, 1.0), tf.int32)
