"""Images sampled at given places along one axis, by gathers or by matrix products.

A CPU and a GPU gather pixels well. A TPU does not: it reads one pixel at a time, so
that a rotation moves more bytes than the whole network. It multiplies matrices well, and
its compiler computes the weights of such a product where they are needed, without
storing them. Both ways give the same values.

A TPU multiplies in bfloat16, which keeps 8 bits of a number. Positions are therefore
computed without products, in float32, and rounded to 1/256 pixel, so that both weights of
a sample are exact in 8 bits. The values are rounded: those within 1/2 of zero by at most 1/1024.
"""

from typing import Any, TypeAlias

from glrtf.config.keras_settings import keras
from glrtf.data import kernels

Tensor: TypeAlias = Any
ops = keras.ops

STEPS_PER_PIXEL = 256
"""Positions are multiples of one over this: at most 1/512 pixel from where they should be."""


def resample(images: Tensor, positions: Tensor, *, as_products: bool) -> Tensor:
    """Linear interpolation along the columns, at other places in every row.

    Args:
        images: Float32 (b, h, w, c).
        positions: Float32 (b, h, u) or, equal for all rows, (b, 1, u): the places in
            pixels, in [0, w - 1].
        as_products: Multiply by matrices of weights, as a TPU should; only in functions
            that XLA compiles, since elsewhere the matrices would be stored.

    Returns:
        Float32 (b, h, u, c).
    """
    positions = ops.round(positions * STEPS_PER_PIXEL) / STEPS_PER_PIXEL
    sample = _multiplied if as_products else _gathered
    return sample(images, positions)


def resample_rows(images: Tensor, positions: Tensor, *, as_products: bool) -> Tensor:
    """The same along the rows, at other places in every column.

    Args:
        images: Float32 (b, h, w, c).
        positions: Float32 (b, w, u) or (b, 1, u), in [0, h - 1].
        as_products: See `resample`.

    Returns:
        Float32 (b, u, w, c).
    """
    turned = resample(ops.transpose(images, [0, 2, 1, 3]), positions, as_products=as_products)
    return ops.transpose(turned, [0, 2, 1, 3])


def _gathered(images: Tensor, positions: Tensor) -> Tensor:
    """The two neighbours of each place, looked up and blended."""
    low = ops.floor(positions)
    share = (positions - low)[..., None]
    left = ops.cast(low, "int32")
    right = ops.minimum(left + 1, images.shape[2] - 1)
    return kernels.blended_neighbours(images, left, right, share)


def _multiplied(images: Tensor, positions: Tensor) -> Tensor:
    """Every row times a matrix that holds two weights, which add up to 1, for each place."""
    rows, columns, channels = images.shape[1:]
    distances = ops.abs(positions[..., None] - ops.arange(columns, dtype="float32"))
    weights = ops.maximum(1.0 - distances, 0.0)
    if positions.shape[1] > 1:
        return kernels.multiplied(weights, images)
    # One matrix for all rows: they lie side by side in one product.
    lying = ops.reshape(ops.transpose(images, [0, 2, 1, 3]), [-1, columns, rows * channels])
    result = kernels.multiplied(weights[:, 0], lying)
    result = ops.reshape(result, [-1, positions.shape[2], rows, channels])
    return ops.transpose(result, [0, 2, 1, 3])
