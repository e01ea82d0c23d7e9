"""`glrtf.data.decoding.resize` in NumPy, bit for bit, for processes that do not load TensorFlow.

The formulas and their order are those of TensorFlow's kernels ResizeBilinear (half-pixel
centres) and ScaleAndTranslate (triangle kernel, antialiased), in float32 throughout.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Pixels: TypeAlias = npt.NDArray[np.uint8]
Values: TypeAlias = npt.NDArray[np.float32]

_HALF, _ONE = np.float32(0.5), np.float32(1)


def resize(image: Pixels, size: int, antialias: bool = False) -> Pixels:
    """Bilinear, aspect not kept, values rounded.

    Args:
        image: uint8 (h, w, 3).
        size: Side of the result, pixels.
        antialias: Whether the filter is widened over the pixels that plain bilinear interpolation
            skips.

    Returns:
        uint8 (size, size, 3), equal to TensorFlow's result.
    """
    resized = _averaged(image, size) if antialias else _interpolated(image, size)
    return np.rint(resized).astype(np.uint8)


def _interpolated(image: Pixels, size: int) -> Values:
    top, bottom, down = _neighbors(image.shape[0], size)
    left, right, across = _neighbors(image.shape[1], size)
    down, across = down[:, None, None], across[None, :, None]

    def row(places: npt.NDArray[np.int64]) -> Values:
        rows = image[places]
        before, after = rows[:, left].astype(np.float32), rows[:, right].astype(np.float32)
        return before + (after - before) * across

    upper = row(top)
    return upper + (row(bottom) - upper) * down


def _neighbors(
    length: int, size: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Values]:
    """For each output pixel the two input pixels next to its centre, and the second's share."""
    scale = np.float32(length) / np.float32(size)
    centers = (np.arange(size, dtype=np.float32) + _HALF) * scale - _HALF
    floors = np.floor(centers)
    low = np.maximum(floors, 0).astype(np.int64)
    high = np.minimum(np.ceil(centers), length - 1).astype(np.int64)
    return low, high, centers - floors


def _averaged(image: Pixels, size: int) -> Values:
    rows = _weighted(image, size)
    return _weighted(rows.swapaxes(0, 1), size).swapaxes(0, 1)


def _weighted(values: Pixels | Values, size: int) -> Values:
    """Sums (size, …) of the first axis under a triangle as wide as two output pixels."""
    length = len(values)
    step = _ONE / (np.float32(size) / np.float32(length))
    width = max(step, _ONE)
    centers = (np.arange(size, dtype=np.float32) + _HALF) * step
    first = np.clip(np.ceil(centers - width - _HALF), 0, length - 1).astype(np.int64)
    last = np.clip(np.floor(centers + width - _HALF), 0, length - 1).astype(np.int64)
    places = first[:, None] + np.arange((last - first).max() + 1)
    # Multiplied by the inverse, as in the kernel: a division would round differently.
    distances = np.abs((places.astype(np.float32) + _HALF - centers[:, None]) * (_ONE / width))
    weights = np.where(places <= last[:, None], np.maximum(_ONE - distances, 0), 0)
    total = np.zeros(size, np.float32)
    for tap in range(
        weights.shape[1]
    ):  # In the kernel's order, which differs from that of NumPy's sum.
        total += weights[:, tap]
    weights = (weights * (_ONE / total)[:, None]).astype(np.float32)
    places = np.minimum(places, length - 1)
    result = np.zeros((size, *values.shape[1:]), np.float32)
    for tap in range(weights.shape[1]):
        result += values[places[:, tap]] * weights[:, tap, None, None]
    return result
