"""The builder's --max_side inside a TensorFlow graph: long photos are resized before anything else.

The builder decodes with the slow, exact transform, resizes with Pillow's ``thumbnail`` and
Lanczos filter, and encodes the result as a JPEG of quality 95. The graph does the same:
TensorFlow's encoder at that quality writes the same bytes as Pillow's, and the filter
differs only where Pillow's fixed-point arithmetic rounds a half the other way.
"""

from collections.abc import Callable
from typing import TypeAlias

import tensorflow as tf

from glrtf.data.decoding import decode
from tfrecords_tools.images import ImageSettings

Tensor: TypeAlias = tf.Tensor

# Pillow's thumbnail: blocks are averaged first down to this many times the result's side.
_REDUCING_GAP = 2.0


def decode_shrunk(encoded: Tensor, max_side: int | None) -> Tensor:
    """Decodes a JPEG of the shards as `images.shrink` and then `decoding.decode` do.

    Args:
        encoded: Scalar string, an upright gray or RGB JPEG.
        max_side: Pixels; None or 0 for any length.

    Returns:
        uint8 (h, w, 3).
    """
    image = decode(encoded)
    if not max_side:
        return image
    is_long = tf.reduce_max(tf.shape(image)[:2]) > max_side
    shrunk = tf.cond(
        is_long, lambda: shrink(decode(encoded, exactly=True), max_side), lambda: image
    )
    return tf.ensure_shape(shrunk, [None, None, 3])


def encode_again(image: Tensor) -> Tensor:
    """An image uint8 (h, w, 3) as it comes out of the builder's JPEG."""
    return decode(tf.io.encode_jpeg(image, quality=ImageSettings.quality))


def shrink(images: Tensor, max_side: int | None) -> Tensor:
    """Resizes images with a longer side to `max_side`, aspect kept, and encodes them again.

    Args:
        images: uint8 (..., h, w, 3), one or a batch of one size.
        max_side: Pixels; None or 0 for any length.

    Returns:
        uint8 (..., h', w', 3).
    """
    if not max_side:
        return images

    def smaller() -> Tensor:
        shrunk = thumbnail(images, max_side)
        return encode_again(shrunk) if shrunk.shape.rank == 3 else tf.map_fn(encode_again, shrunk)

    sides = tf.shape(images)[-3:-1]
    return tf.cond(tf.reduce_max(sides) > max_side, smaller, lambda: images)


def thumbnail(images: Tensor, max_side: int) -> Tensor:
    """Pillow's ``thumbnail`` with the Lanczos filter; uint8 (..., h, w, 3) → (..., h', w', 3)."""
    height, width = tf.shape(images)[-3], tf.shape(images)[-2]
    longest = tf.maximum(height, width)

    def smaller() -> Tensor:
        batch = images if images.shape.rank == 4 else images[tf.newaxis]
        sides = _thumbnail_sides(height, width, max_side)
        full = tf.stack([height, width])
        gaps = tf.cast(full / sides / _REDUCING_GAP, tf.int32)
        factors = tf.maximum(gaps, 1)
        reduced = tf.cond(
            tf.reduce_max(factors) > 1, lambda: _block_means(batch, factors), lambda: batch
        )
        # The reduced image may hold a last block that is not whole: it is as wide as this.
        held = tf.cast(full, tf.float32) / tf.cast(factors, tf.float32)
        # Pillow rounds between the two: without that, sharp edges differ by 20 levels.
        narrow = _lanczos(reduced, tf.stack([tf.shape(reduced)[1], sides[1]]), [1.0, held[1]])
        shrunk = _lanczos(narrow, sides, [held[0], 1.0])
        return shrunk if images.shape.rank == 4 else shrunk[0]

    return tf.cond(longest > max_side, smaller, lambda: images)


def _block_means(images: Tensor, factors: Tensor) -> Tensor:
    """Means of blocks of factors (2,) pixels, rounded; at the ends, of what is there of them."""
    sides = tf.shape(images)[1:3]
    blocks = -(-sides // factors)
    missing = blocks * factors - sides

    def sums(values: Tensor) -> Tensor:
        padded = tf.pad(values, [[0, 0], [0, missing[0]], [0, missing[1]], [0, 0]])
        shape = [-1, blocks[0], factors[0], blocks[1], factors[1], tf.shape(values)[-1]]
        return tf.reduce_sum(tf.reshape(padded, shape), axis=[2, 4])

    counts = sums(tf.ones([1, sides[0], sides[1], 1], tf.int32))
    means = (sums(tf.cast(images, tf.int32)) + counts // 2) // counts
    return tf.cast(means, tf.uint8)


def _lanczos(images: Tensor, sides: Tensor, held: list[Tensor | float]) -> Tensor:
    """Resizes (b, h, w, 3) to sides (2,), along the axis whose length `held` says.

    Args:
        images: uint8.
        sides: Rows and columns of the result, int32.
        held: How many pixels of each axis the result shows, from the first on; 1 keeps an axis.
    """
    scales = [
        tf.constant(1.0) if isinstance(length, float) else tf.cast(side, tf.float32) / length
        for side, length in zip(tf.unstack(sides), held, strict=True)
    ]
    resized = tf.raw_ops.ScaleAndTranslate(
        images=tf.cast(images, tf.float32),
        size=sides,
        scale=tf.stack(scales),
        translation=tf.zeros([2]),
        kernel_type="lanczos3",
        antialias=True,
    )
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
