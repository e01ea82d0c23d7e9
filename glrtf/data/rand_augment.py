"""RandAugment of a batch: for each image its own operations (arXiv 1909.13719).

`keras.layers.RandAugment` draws one operation for the whole batch, from hidden state, its geometry
does not compile with XLA, and its Equalization uses one histogram for all images. These are the
paper's operations on images in [0, 1], each equal to Pillow's.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, TypeAlias

from glrtf.config.keras_settings import keras
from glrtf.data import affine, kernels

Tensor: TypeAlias = Any
ops = keras.ops

_STRENGTHS = 10.0
_LEVELS = 256


def rand_augment(
    images: Tensor, seed: Tensor, operations: int, magnitude: float, *, as_products: bool = False
) -> Tensor:
    """Applies `operations` random operations, one after the other, to each image.

    Args:
        images: Float (b, h, w, 3) in [0, 1].
        seed: int32 (2,).
        operations: How many (N in the paper).
        magnitude: How strong, 0 to 10 (M in the paper); the sign is drawn if an operation has one.
        as_products: As TPUs need; see `resample`.

    Returns:
        Float (b, h, w, 3) in [0, 1].
    """
    count = ops.shape(images)[0]
    for turn in range(operations):
        which_seed, sign_seed = kernels.split_seed(kernels.fold_in(seed, turn))
        which = kernels.integers(which_seed, [count], len(OPERATIONS))
        coin = kernels.uniform(sign_seed, [count]) < 0.5
        strengths = ops.where(coin, -1.0, 1.0) * (magnitude / _STRENGTHS)
        images = select(images, which, strengths, as_products=as_products)
    return images


def select(
    images: Tensor, which: Tensor, strengths: Tensor, *, as_products: bool = False
) -> Tensor:
    """Applies to each image the operation of its number, and only that.

    The images are processed one after the other: as a batch, each would pass through all operations
    and keep one of fourteen results.

    Args:
        images: Float (b, h, w, 3) in [0, 1].
        which: int32 (b,), places in `OPERATIONS`.
        strengths: Float (b,) in [-1, 1].
        as_products: See `resample`.
    """
    branches = [functools.partial(_apply, name, as_products) for name in OPERATIONS]
    return kernels.one_by_one(branches, images, which, strengths)


def _apply(name: str, as_products: bool, images: Tensor, strengths: Tensor) -> Tensor:
    """One operation on all images."""
    if name == "identity":
        return images
    if name in _GEOMETRY:
        changed = _GEOMETRY[name](images, strengths, as_products)
    elif name == "equalize":
        changed = (_equalize_by_comparing if as_products else _equalize)(images)
    else:
        changed = _COLOURS[name](images, strengths)
    return ops.clip(changed, 0.0, 1.0)


def _blend(degenerate: Tensor, images: Tensor, strengths: Tensor) -> Tensor:
    """Extrapolates from the degenerate image by 1 + 0.9 · strength, as Pillow's enhancers do."""
    return degenerate + (images - degenerate) * (1.0 + 0.9 * strengths)[:, None, None, None]


def _gray(images: Tensor) -> Tensor:
    """Luma of ITU-R 601-2, (b, h, w, 1); no product, which a TPU would round to 8 bits."""
    red, green, blue = ops.split(images, 3, axis=-1)
    return 0.2989 * red + 0.587 * green + 0.114 * blue


def _color(images: Tensor, strengths: Tensor) -> Tensor:
    return _blend(_gray(images), images, strengths)


def _contrast(images: Tensor, strengths: Tensor) -> Tensor:
    mean = ops.mean(_gray(images), axis=[1, 2, 3], keepdims=True)
    return _blend(mean, images, strengths)


def _brightness(images: Tensor, strengths: Tensor) -> Tensor:
    return _blend(ops.zeros_like(images), images, strengths)


def _sharpness(images: Tensor, strengths: Tensor) -> Tensor:
    """Towards or away from a smoothed image, whose border is unchanged."""
    # A mean rather than a convolution, which a TPU would round to 8 bits.
    height, width = images.shape[1], images.shape[2]
    smooth = (9.0 * ops.average_pool(images, 3, 1, "same") + 4.0 * images) / 13.0
    rows, columns = ops.arange(height), ops.arange(width)
    inner_rows = (rows > 0) & (rows < height - 1)
    inner_columns = (columns > 0) & (columns < width - 1)
    inner = (inner_rows[:, None] & inner_columns[None, :])[None, :, :, None]
    return _blend(ops.where(inner, smooth, images), images, strengths)


def _posterize(images: Tensor, strengths: Tensor) -> Tensor:
    """Keeps the 8 to 4 upper bits of a value."""
    step = ops.power(2.0, ops.round(4.0 * ops.abs(strengths)))[:, None, None, None]
    return ops.floor(ops.round(images * 255.0) / step) * step / 255.0


def _solarize(images: Tensor, strengths: Tensor) -> Tensor:
    """Inverts values above 1 - |strength|."""
    threshold = 1.0 - ops.abs(strengths)[:, None, None, None]
    return ops.where(images >= threshold, 1.0 - images, images)


def _auto_contrast(images: Tensor, strengths: Tensor) -> Tensor:
    """Stretches each channel to the whole range."""
    low = ops.min(images, axis=[1, 2], keepdims=True)
    high = ops.max(images, axis=[1, 2], keepdims=True)
    flat = high <= low
    return ops.where(flat, images, (images - low) / ops.where(flat, 1.0, high - low))


def _equalize(images: Tensor) -> Tensor:
    """Spreads each channel's grey levels evenly, as Pillow counts: in integers."""
    levels = _levels(images)
    planes = ops.transpose(levels, [0, 3, 1, 2])
    count, channels, height, width = ops.shape(planes)
    rows = ops.reshape(planes, [count * channels, height * width])
    table = _equalizing(kernels.counts_of_levels(rows, _LEVELS))
    equal = ops.reshape(kernels.looked_up(table, rows), [count, channels, height, width])
    return ops.cast(ops.transpose(equal, [0, 2, 3, 1]), images.dtype) / 255.0


def _equalize_by_comparing(images: Tensor) -> Tensor:
    """`_equalize` without bins and look-ups, which a TPU processes value by value.

    Each value is compared with each level; the compiler stores none of the results.
    """
    levels = _levels(images)
    channels = []
    for plane in ops.unstack(levels, axis=-1):
        is_level = plane[:, None] == ops.arange(_LEVELS)[:, None, None]
        table = _equalizing(ops.sum(ops.cast(is_level, "int32"), axis=[2, 3]))
        steps = table - ops.pad(table[:, :-1], [[0, 0], [1, 0]])
        reached = plane[:, None] >= ops.arange(_LEVELS)[:, None, None]
        channels.append(ops.sum(ops.where(reached, steps[:, :, None, None], 0), axis=1))
    return ops.cast(ops.stack(channels, axis=-1), images.dtype) / 255.0


def _levels(images: Tensor) -> Tensor:
    """Values as whole grey levels, int32."""
    return ops.cast(ops.round(images * 255.0), "int32")


def _equalizing(counts: Tensor) -> Tensor:
    """The new level of each level, int32 (n, 256), from how often each comes, int32 (n, 256)."""
    last = ops.max(ops.where(counts > 0, ops.arange(_LEVELS), 0), axis=1)
    last_count = kernels.looked_up(counts, last[:, None])[:, 0]
    # Where a channel has one level, or few pixels before the last, it stays.
    step = (ops.sum(counts, axis=1) - last_count)[:, None] // 255
    divisor = ops.maximum(step, 1)
    table = (divisor // 2 + ops.cumsum(counts, axis=1) - counts) // divisor
    return ops.where(step > 0, ops.minimum(table, 255), ops.arange(_LEVELS))


def _rotate(images: Tensor, strengths: Tensor, as_products: bool) -> Tensor:
    zero, one = ops.zeros_like(strengths), ops.ones_like(strengths)
    nothing, no_zoom = ops.stack([zero, zero], -1), ops.stack([one, one], -1)
    maps = affine.matrices(strengths * (math.pi / 6), zero, no_zoom, nothing)
    return affine.transform(images, maps, far_turns=False, as_products=as_products)


def _shear_x(images: Tensor, strengths: Tensor, as_products: bool) -> Tensor:
    offsets = 0.3 * strengths[:, None] * affine.from_middle(images.shape[1])
    return affine.slide(images, offsets, as_products=as_products)


def _shear_y(images: Tensor, strengths: Tensor, as_products: bool) -> Tensor:
    offsets = 0.3 * strengths[:, None] * affine.from_middle(images.shape[2])
    return affine.slide(images, offsets, down=True, as_products=as_products)


def _translate_x(images: Tensor, strengths: Tensor, as_products: bool) -> Tensor:
    offsets = 0.3 * images.shape[2] * strengths[:, None]
    return affine.slide(images, offsets, as_products=as_products)


def _translate_y(images: Tensor, strengths: Tensor, as_products: bool) -> Tensor:
    offsets = 0.3 * images.shape[1] * strengths[:, None]
    return affine.slide(images, offsets, down=True, as_products=as_products)


_COLOURS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "auto_contrast": _auto_contrast,
    "posterize": _posterize,
    "solarize": _solarize,
    "color": _color,
    "contrast": _contrast,
    "brightness": _brightness,
    "sharpness": _sharpness,
}

_GEOMETRY: dict[str, Callable[[Tensor, Tensor, bool], Tensor]] = {
    "rotate": _rotate,
    "shear_x": _shear_x,
    "shear_y": _shear_y,
    "translate_x": _translate_x,
    "translate_y": _translate_y,
}

OPERATIONS = (
    *("identity", "auto_contrast", "equalize", "rotate", "posterize", "solarize", "color"),
    *("contrast", "brightness", "sharpness", "shear_x", "shear_y", "translate_x", "translate_y"),
)
"""The paper's fourteen."""
