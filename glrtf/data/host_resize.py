"""Resizing on the host as other projects' models expect it; NumPy and Pillow alone."""

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from glrtf.config.descriptor import Filter
from glrtf.data.input_spec import ForeignSpec

Pixels: TypeAlias = npt.NDArray[np.uint8]


def prepare(image: Pixels, spec: ForeignSpec) -> Pixels:
    """Resizes one photo by a rule.

    Args:
        image: uint8 (h, w, 3).
        spec: The rule.

    Returns:
        uint8 (size, size, 3); with keep (h', w', 3), whose longer side is size.
    """
    height, width = image.shape[:2]
    if spec.resize == "squash":
        return _resized(image, spec.size, spec.size, spec)
    if spec.resize == "crop":
        # As in torchvision: the short side becomes size / crop, then the centre is cropped.
        short = max(spec.size, math.floor(spec.size / spec.crop + 0.5))
        whole = _scaled(height, width, short / min(height, width))
        return _resized(image, *whole, spec, spec.size)
    fitted = _resized(image, *_scaled(height, width, spec.size / max(height, width)), spec)
    if spec.resize == "keep":
        return fitted
    padded = np.zeros(spec.shape, np.uint8)
    top, left = ((spec.size - side) // 2 for side in fitted.shape[:2])
    padded[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
    return padded


def _scaled(height: int, width: int, factor: float) -> tuple[int, int]:
    """Both sides times a factor, rounded, at least 1."""
    return max(1, math.floor(height * factor + 0.5)), max(1, math.floor(width * factor + 0.5))


def _resized(
    image: Pixels, height: int, width: int, spec: ForeignSpec, middle: int | None = None
) -> Pixels:
    """The image at another size, or only the central square of `middle` pixels.

    The rest is not computed: for a photo of 20,000 x 1 pixels it would fill the memory.
    """
    rows, columns = _window(height, middle), _window(width, middle)
    if image.shape[:2] == (height, width):
        return image[rows, columns]
    if spec.antialias or spec.filter == "nearest":
        return _by_pillow(image, (height, width), (rows, columns), spec.filter)
    narrow = _interpolated(image.swapaxes(0, 1), width, columns, spec.filter).swapaxes(0, 1)
    return np.clip(np.rint(_interpolated(narrow, height, rows, spec.filter)), 0, 255).astype(
        np.uint8
    )


def _window(length: int, middle: int | None) -> slice:
    first = 0 if middle is None else (length - middle) // 2
    return slice(first, length if middle is None else first + middle)


def _by_pillow(
    image: Pixels, sides: tuple[int, int], window: tuple[slice, slice], kind: Filter
) -> Pixels:
    from PIL import Image

    scale = [known / wanted for known, wanted in zip(image.shape[:2], sides, strict=True)]
    top, bottom = window[0].start * scale[0], window[0].stop * scale[0]
    left, right = window[1].start * scale[1], window[1].stop * scale[1]
    box = (left, top, min(right, image.shape[1]), min(bottom, image.shape[0]))
    target = (window[1].stop - window[1].start, window[0].stop - window[0].start)
    method = getattr(Image.Resampling, kind.upper())
    return np.asarray(Image.fromarray(image).resize(target, method, box=box))


def _interpolated(
    values: npt.NDArray[np.number], length: int, window: slice, kind: Filter
) -> npt.NDArray[np.float32]:
    """Values (n, …) sampled along their first axis at a window of `length` pixels' centres.

    Beyond the border the border's value is repeated.
    """
    kernel, reach = _KERNELS[kind]
    middles = (np.arange(window.start, window.stop) + 0.5) * len(values) / length - 0.5
    places = np.floor(middles).astype(np.int64)[:, None] + np.arange(1 - reach, reach + 1)
    weights = kernel(np.abs(places - middles[:, None]))
    weights = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    places = np.clip(places, 0, len(values) - 1)
    result = np.zeros((len(middles), *values.shape[1:]), np.float32)
    for tap in range(2 * reach):
        result += weights[:, tap, None, None] * values[places[:, tap]]
    return result


def _triangle(distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.maximum(1 - distance, 0)


def _cubic(distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Keys (1981) with a = -1/2, as in Pillow and TensorFlow."""
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return np.where(distance < 1, near, np.where(distance < 2, far, 0))


def _lanczos(distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(distance < 3, np.sinc(distance) * np.sinc(distance / 3), 0)


_KERNELS: dict[str, tuple[Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]], int]] = {
    "bilinear": (_triangle, 1),
    "bicubic": (_cubic, 2),
    "lanczos": (_lanczos, 3),
}
