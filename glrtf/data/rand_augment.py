"""RandAugment of a batch: for each image its own operations (arXiv 1909.13719).

`keras.layers.RandAugment` draws one operation for the whole batch, from a state
that is not the step's, its geometry does not compile with XLA, and its Equalization
takes one histogram of all images. These are the paper's operations on images in
[0, 1], each equal to Pillow's.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import tensorflow as tf

from glrtf.data import affine

Tensor: TypeAlias = tf.Tensor

_STRENGTHS = 10.0


def rand_augment(images: Tensor, seed: Tensor, operations: int, magnitude: float) -> Tensor:
    """Applies `operations` random operations, one after the other, to each image.

    Args:
        images: Float (b, h, w, 3) in [0, 1].
        seed: int32 (2,).
        operations: How many (N in the paper).
        magnitude: How strong, 0 to 10 (M in the paper); the sign is drawn where
            an operation has one.

    Returns:
        Float (b, h, w, 3) in [0, 1].
    """
    count = tf.shape(images)[0]
    for turn in range(operations):
        which_seed, sign_seed = tf.unstack(tf.random.split(tf.random.fold_in(seed, turn), 2))
        which = tf.random.stateless_uniform([count], which_seed, 0, len(OPERATIONS), tf.int32)
        coin = tf.random.stateless_uniform([count], sign_seed) < 0.5
        strengths = tf.where(coin, -1.0, 1.0) * (magnitude / _STRENGTHS)
        images = select(images, which, strengths)
    return images


def select(images: Tensor, which: Tensor, strengths: Tensor) -> Tensor:
    """Applies to each image the operation of its number.

    Args:
        images: Float (b, h, w, 3) in [0, 1].
        which: int32 (b,), places in `OPERATIONS`.
        strengths: Float (b,) in [-1, 1].
    """
    result = images
    for number, operation in enumerate(OPERATIONS.values()):
        changed = tf.clip_by_value(operation(images, strengths), 0.0, 1.0)
        result = tf.where((which == number)[:, None, None, None], changed, result)
    return result


def _blend(degenerate: Tensor, images: Tensor, strengths: Tensor) -> Tensor:
    """Away from the degenerate image by 1 + 0.9 · strength, as Pillow's enhancers do."""
    return degenerate + (images - degenerate) * (1.0 + 0.9 * strengths)[:, None, None, None]


def _gray(images: Tensor) -> Tensor:
    """Luma of ITU-R 601-2, (b, h, w, 1)."""
    return tf.image.rgb_to_grayscale(images)


def _color(images: Tensor, strengths: Tensor) -> Tensor:
    return _blend(_gray(images), images, strengths)


def _contrast(images: Tensor, strengths: Tensor) -> Tensor:
    mean = tf.reduce_mean(_gray(images), axis=[1, 2, 3], keepdims=True)
    return _blend(mean, images, strengths)


def _brightness(images: Tensor, strengths: Tensor) -> Tensor:
    return _blend(tf.zeros_like(images), images, strengths)


def _sharpness(images: Tensor, strengths: Tensor) -> Tensor:
    """Towards or away from a smoothed image, whose border is left as it was."""
    kernel = tf.constant([[1.0, 1, 1], [1, 5, 1], [1, 1, 1]], images.dtype) / 13
    kernel = tf.tile(kernel[:, :, None, None], [1, 1, 3, 1])
    smooth = tf.nn.depthwise_conv2d(images, kernel, [1, 1, 1, 1], "VALID")
    smooth = tf.pad(smooth, [[0, 0], [1, 1], [1, 1], [0, 0]])
    rows, columns = tf.range(images.shape[1]), tf.range(images.shape[2])
    inner_rows = (rows > 0) & (rows < images.shape[1] - 1)
    inner_columns = (columns > 0) & (columns < images.shape[2] - 1)
    inner = (inner_rows[:, None] & inner_columns[None, :])[None, :, :, None]
    return _blend(tf.where(inner, smooth, images), images, strengths)


def _posterize(images: Tensor, strengths: Tensor) -> Tensor:
    """Keeps the 8 to 4 upper bits of a value."""
    step = tf.pow(2.0, tf.round(4.0 * tf.abs(strengths)))[:, None, None, None]
    return tf.floor(tf.round(images * 255.0) / step) * step / 255.0


def _solarize(images: Tensor, strengths: Tensor) -> Tensor:
    """Inverts values from 1 - |strength| on."""
    threshold = 1.0 - tf.abs(strengths)[:, None, None, None]
    return tf.where(images >= threshold, 1.0 - images, images)


def _auto_contrast(images: Tensor, strengths: Tensor) -> Tensor:
    """Stretches each channel to the whole range."""
    low = tf.reduce_min(images, axis=[1, 2], keepdims=True)
    high = tf.reduce_max(images, axis=[1, 2], keepdims=True)
    flat = high <= low
    return tf.where(flat, images, (images - low) / tf.where(flat, 1.0, high - low))


def _equalize(images: Tensor, strengths: Tensor) -> Tensor:
    """Spreads each channel's grey levels evenly, as Pillow counts: in whole numbers."""
    levels = tf.cast(tf.round(images * 255.0), tf.int32)
    shape = tf.shape(levels)
    rows = shape[0] * shape[3]
    planes = tf.reshape(tf.transpose(levels, [0, 3, 1, 2]), [rows, -1])
    bins = planes + 256 * tf.range(rows)[:, None]
    counts = tf.math.unsorted_segment_sum(tf.ones_like(bins), bins, rows * 256)
    counts = tf.reshape(counts, [rows, 256])
    last = tf.reduce_max(tf.where(counts > 0, tf.range(256), 0), axis=1)
    last_count = tf.gather(counts, last, batch_dims=1)
    # Where a channel has one level, or few pixels before the last, it stays.
    step = (tf.reduce_sum(counts, axis=1) - last_count)[:, None] // 255
    divisor = tf.maximum(step, 1)
    table = (divisor // 2 + tf.cumsum(counts, axis=1, exclusive=True)) // divisor
    table = tf.where(step > 0, tf.minimum(table, 255), tf.range(256))
    equal = tf.cast(tf.gather(table, planes, batch_dims=1), images.dtype) / 255.0
    equal = tf.reshape(equal, [shape[0], shape[3], shape[1], shape[2]])
    return tf.transpose(equal, [0, 2, 3, 1])


def _mapped(images: Tensor, rotation: Tensor, shear: Tensor, shift: Tensor) -> Tensor:
    zooms = tf.ones_like(shift)
    return affine.transform(images, affine.matrices(rotation, shear, zooms, shift))


def _rotate(images: Tensor, strengths: Tensor) -> Tensor:
    zero = tf.zeros_like(strengths)
    return _mapped(images, strengths * (math.pi / 6), zero, tf.stack([zero, zero], -1))


def _sheared(images: Tensor, down: Tensor, across: Tensor) -> Tensor:
    one, zero = tf.ones_like(down), tf.zeros_like(down)
    rows = [tf.stack([one, down, zero], -1), tf.stack([across, one, zero], -1)]
    return affine.transform(images, tf.stack(rows, axis=1))


def _shear_x(images: Tensor, strengths: Tensor) -> Tensor:
    return _sheared(images, tf.zeros_like(strengths), 0.3 * strengths)


def _shear_y(images: Tensor, strengths: Tensor) -> Tensor:
    return _sheared(images, 0.3 * strengths, tf.zeros_like(strengths))


def _translated(images: Tensor, down: Tensor, across: Tensor) -> Tensor:
    shift = tf.stack([down, across], -1)
    return _mapped(images, tf.zeros_like(down), tf.zeros_like(down), shift)


def _translate_x(images: Tensor, strengths: Tensor) -> Tensor:
    return _translated(images, tf.zeros_like(strengths), 0.3 * images.shape[2] * strengths)


def _translate_y(images: Tensor, strengths: Tensor) -> Tensor:
    return _translated(images, 0.3 * images.shape[1] * strengths, tf.zeros_like(strengths))


OPERATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "identity": lambda images, strengths: images,
    "auto_contrast": _auto_contrast,
    "equalize": _equalize,
    "rotate": _rotate,
    "posterize": _posterize,
    "solarize": _solarize,
    "color": _color,
    "contrast": _contrast,
    "brightness": _brightness,
    "sharpness": _sharpness,
    "shear_x": _shear_x,
    "shear_y": _shear_y,
    "translate_x": _translate_x,
    "translate_y": _translate_y,
}
"""The paper's fourteen."""
