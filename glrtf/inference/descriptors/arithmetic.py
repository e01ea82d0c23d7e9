"""From uint8 images to a model's input, and from its output to rows.

Written once for NumPy and for TensorFlow's graphs, which pass the four functions that differ.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from glrtf.inference.descriptors.manifests import Preparation
from tfrecords_tools.errors import UserError

_RANGES = {"0..255": (1.0, 0.0), "0..1": (1 / 255, 0.0), "-1..1": (1 / 127.5, -1.0)}
_SMALLEST = 1e-6


class Operations(NamedTuple):
    """Operations that NumPy and TensorFlow write differently."""

    cast: Callable[[Any, str], Any]
    transpose: Callable[[Any, list[int]], Any]
    mean: Callable[[Any, tuple[int, ...]], Any]
    maximum: Callable[[Any, float], Any]


NUMPY = Operations(lambda x, dtype: np.asarray(x).astype(dtype), np.transpose, np.mean, np.maximum)


def tensorflow_operations() -> Operations:
    """The same in TensorFlow, which is loaded."""
    import tensorflow as tf

    return Operations(tf.cast, tf.transpose, tf.reduce_mean, tf.maximum)


def model_input(images: Any, rule: Preparation, ops: Operations) -> Any:
    """Images uint8 (n, h, w, 3) as the model takes them."""
    values = images[..., ::-1] if rule.channels == "bgr" else images
    if rule.dtype != "uint8":
        scale, offset = _scale_and_offset(rule)
        values = ops.cast(values, "float32") * scale + offset
        values = ops.cast(values, rule.dtype)
    return ops.transpose(values, [0, 3, 1, 2]) if rule.layout == "nchw" else values


def rows(output: Any, rule: Preparation, ops: Operations, count: int, name: str) -> Any:
    """An output pooled to float32 (n, d), not normalised.

    Args:
        output: (n, d), or what `rule.pooling` pools.
        rule: The manifest's settings.
        ops: NumPy's or TensorFlow's.
        count: Number of images in the batch.
        name: The model's, for messages.

    Raises:
        UserError: If it is not one row for each image.
    """
    values = ops.cast(output, "float32")
    rank = len(values.shape)
    if values.shape[0] not in (None, count) or rank < 2:
        raise UserError(
            f"{name}: expected one row for each of {count} images, found an output of shape"
            f" {_shown(values.shape)}; choose another with --descriptor.output"
        )
    if rule.pooling == "none" and rank != 2:
        squeezed = [side for side in values.shape[1:] if side != 1]
        if len(squeezed) != 1:
            raise UserError(
                f"{name}: expected an output (n, d), found {_shown(values.shape)}; name a pooling"
                " with --descriptor.pooling (cls, mean or gem), or another output"
            )
        # (n, d, 1, 1), as pooled maps come from some converters.
        axes = tuple(place for place in range(1, rank) if values.shape[place] == 1)
        values = ops.mean(values, axes)
    elif rule.pooling != "none":
        values = _pooled(values, rank, rule, ops, name)
    return values


def _pooled(values: Any, rank: int, rule: Preparation, ops: Operations, name: str) -> Any:
    if rank == 2 or rank > 4 or (rule.pooling == "cls" and rank != 3):
        wanted = "tokens (n, t, c)" + ("" if rule.pooling == "cls" else " or maps (n, h, w, c)")
        raise UserError(
            f"{name}: --descriptor.pooling {rule.pooling}: expected an output of {wanted}, found"
            f" {_shown(values.shape)}; use --descriptor.pooling none, or another output"
        )
    if rule.pooling == "cls":
        return values[:, 0]
    axes = (1,) if rank == 3 else ((2, 3) if rule.layout == "nchw" else (1, 2))
    if rule.pooling == "mean":
        return ops.mean(values, axes)
    powers = ops.maximum(values, _SMALLEST) ** rule.gem_power
    return ops.mean(powers, axes) ** (1 / rule.gem_power)


def _scale_and_offset(rule: Preparation) -> tuple[Any, Any]:
    """float32 (3,) each, in the model's order of channels: value * scale + offset."""
    if rule.mean:
        mean, std = np.array(rule.mean), np.array(rule.std)
        if rule.channels == "bgr":
            mean, std = mean[::-1], std[::-1]
        return (1 / (255 * std)).astype(np.float32), (-mean / std).astype(np.float32)
    assert rule.range is not None  # A float input has one of the two.
    scale, offset = _RANGES[rule.range]
    return np.float32(scale), np.float32(offset)


def _shown(shape: Any) -> str:
    return "(" + ", ".join("n" if side is None else str(side) for side in shape) + ")"
