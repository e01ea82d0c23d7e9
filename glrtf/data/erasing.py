"""Random erasing: a rectangle of some images becomes noise (Zhong et al., arXiv 1708.04896)."""

import math
from typing import Any, TypeAlias

from glrtf.config.keras_settings import keras
from glrtf.data import kernels

Tensor: TypeAlias = Any
ops = keras.ops

_LEAST_AREA = 0.02
_LARGEST_ASPECT = 1 / 0.3


def random_erasing(images: Tensor, seed: Tensor, probability: float, most_area: float) -> Tensor:
    """Erases a rectangle of each image with a probability.

    The area is drawn evenly from 2 % to `most_area` of the image, the logarithm of the
    rectangle's height by its width (as shares of the image's sides) evenly from that of 0.3 to
    that of 1/0.3, and the place evenly among those inside the image.

    Args:
        images: Float (b, h, w, 3).
        seed: int32 (2,).
        probability: That an image loses a rectangle.
        most_area: The largest rectangle's share of the area.

    Returns:
        Float (b, h, w, 3), with values drawn evenly from [0, 1) inside the rectangles.
    """
    draws = kernels.uniform(kernels.fold_in(seed, 0), [ops.shape(images)[0], 5], 0.0, 1.0)
    least = min(_LEAST_AREA, most_area)
    areas = least + (most_area - least) * draws[:, 0]
    aspects = ops.exp(math.log(_LARGEST_ASPECT) * (2.0 * draws[:, 1] - 1.0))
    # A long rectangle is cut at the border of the image.
    heights = ops.minimum(ops.sqrt(areas * aspects), 1.0)
    widths = ops.minimum(ops.sqrt(areas / aspects), 1.0)
    tops, lefts = draws[:, 2] * (1.0 - heights), draws[:, 3] * (1.0 - widths)
    boxes = ops.stack([tops, lefts, tops + heights, lefts + widths], axis=1)
    noise = kernels.uniform(kernels.fold_in(seed, 1), list(ops.shape(images)), 0.0, 1.0)
    return erase(images, boxes, draws[:, 4] < probability, noise)


def erase(images: Tensor, boxes: Tensor, chosen: Tensor, noise: Tensor) -> Tensor:
    """Replaces the pixels whose middles lie in a box.

    Args:
        images: Float (b, h, w, 3).
        boxes: Float (b, 4): top, left, bottom and right end, as shares of the image.
        chosen: Bool (b,), which images lose their box.
        noise: Float (b, h, w, 3), what takes its place.
    """
    rows = _inside(boxes[:, 0], boxes[:, 2], images.shape[1])
    columns = _inside(boxes[:, 1], boxes[:, 3], images.shape[2])
    gone = rows[:, :, None] & columns[:, None, :] & chosen[:, None, None]
    return ops.where(gone[..., None], ops.cast(noise, images.dtype), images)


def _inside(starts: Tensor, ends: Tensor, length: int) -> Tensor:
    """Bool (b, length): which pixels' middles lie in each image's interval."""
    middles = (ops.arange(length, dtype="float32") + 0.5) / length
    return (middles >= starts[:, None]) & (middles < ends[:, None])
