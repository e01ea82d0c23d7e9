"""Bilinear resizing in NumPy, to the values of `tf.image.resize` without antialiasing."""

import functools

import numpy as np


def resize(image: np.ndarray, place: np.ndarray) -> None:
    """Resizes bilinearly, aspect not kept, values rounded half to even.

    The float32 sums are those of TensorFlow's kernel (core/kernels/image/resize_bilinear_op.cc),
    in its order, so the rounded values are equal.

    Args:
        image: uint8 (h, w, 3).
        place: uint8 (height, width, 3), written to.
    """
    height, width = place.shape[:2]
    above, below, down = _weights(image.shape[0], height)
    left, right, across = _weights(image.shape[1], width)
    rows = np.union1d(above, below)
    used = image[rows].astype(np.float32)
    # Each row that is needed, interpolated along itself once.
    lying = _between(used[:, left], used[:, right], across[None, :, None])
    upper, lower = lying[np.searchsorted(rows, above)], lying[np.searchsorted(rows, below)]
    place[...] = np.rint(_between(upper, lower, down[:, None, None]))


def _between(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    return first + (second - first) * share


@functools.lru_cache(256)
def _weights(length: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each output pixel the two input pixels around its middle, and the second one's share."""
    scale = np.float32(length) / np.float32(size)
    middles = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * scale - np.float32(0.5)
    floors = np.floor(middles)
    first = np.maximum(floors, 0).astype(np.int64)
    second = np.minimum(np.ceil(middles), length - 1).astype(np.int64)
    return first, second, middles - floors
