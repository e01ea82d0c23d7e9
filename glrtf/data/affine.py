"""Random affine maps and crops of a batch, with static shapes."""

import math
from typing import Any, TypeAlias

from glrtf.config.data import AugmentConfig
from glrtf.config.keras_settings import keras
from glrtf.data import kernels
from glrtf.data.resample import resample, resample_rows

Tensor: TypeAlias = Any
ops = keras.ops

# Subtracted before values are multiplied in bfloat16, which rounds small values less.
_MIDDLE_GRAY = 0.5


def draw(seed: Tensor, count: Tensor | int, config: AugmentConfig) -> Tensor:
    """Draws one map per image: rotation, shear, zooms and shifts, all normal.

    Args:
        seed: int32 (2,).
        count: Number of images.
        config: The standard deviations.

    Returns:
        Float32 (count, 2, 3); see `matrices`.
    """
    normal = kernels.normal(seed, [count, 6])
    degree = math.pi / 180
    return matrices(
        rotations=normal[:, 0] * config.rotation * degree,
        shears=normal[:, 1] * config.shear * degree,
        zooms=1.0 + normal[:, 2:4] * config.zoom,
        shifts=normal[:, 4:6] * config.shift,
    )


def draw_crops(seed: Tensor, count: Tensor | int, shape: tuple[int, int], area: float) -> Tensor:
    """Draws one crop per image, resized to the whole image (Szegedy et al., arXiv 1409.4842).

    Args:
        seed: int32 (2,).
        count: Number of images.
        shape: Their height and width in pixels.
        area: The smallest share of an image's area; drawn uniformly between it and 1. The aspect is
            log-uniform between 3/4 and 4/3.

    Returns:
        Float32 (count, 2, 3); see `matrices`.
    """
    draws = kernels.uniform(seed, [count, 4])
    areas = area + (1.0 - area) * draws[:, 0]
    stretch = ops.exp((draws[:, 1] - 0.5) * math.log(4 / 3))
    sides = ops.sqrt(areas)[:, None] * ops.stack([1 / stretch, stretch], -1)
    sides = ops.minimum(sides, 1.0)
    lengths = ops.convert_to_tensor(shape, "float32")
    # The crop's centre is drawn so that the crop stays inside.
    middles = (draws[:, 2:] - 0.5) * (1.0 - sides) * lengths
    diagonal = sides[:, :, None] * ops.eye(2)
    return ops.concatenate([diagonal, middles[:, :, None]], axis=2)


def matrices(rotations: Tensor, shears: Tensor, zooms: Tensor, shifts: Tensor) -> Tensor:
    """The map from output to input positions, relative to the image's centre.

    R(rotation) · S(shear) · Z(1/zoom) · T(shift) in (row, column) order, as in the
    original: a zoom factor above 1 magnifies, a shift moves the sampled position.

    Args:
        rotations: Radians (b,).
        shears: Radians (b,).
        zooms: (b, 2), for rows and columns.
        shifts: Pixels (b, 2), for rows and columns.

    Returns:
        Float32 (b, 2, 3): [linear part | translation].
    """
    cos, sin = ops.cos(rotations), ops.sin(rotations)
    rotate = ops.stack([ops.stack([cos, sin], -1), ops.stack([-sin, cos], -1)], 1)
    one, zero = ops.ones_like(shears), ops.zeros_like(shears)
    sheared = [ops.stack([one, ops.sin(shears)], -1), ops.stack([zero, ops.cos(shears)], -1)]
    linear = (rotate @ ops.stack(sheared, 1)) / zooms[:, None, :]
    return ops.concatenate([linear, linear @ shifts[:, :, None]], axis=2)


def transform(
    images: Tensor, maps: Tensor, *, far_turns: bool = True, as_products: bool = False
) -> Tensor:
    """Samples images at the mapped positions, in two passes; edges are extended.

    Each pass interpolates linearly along one axis (Catmull and Smith, "3-D transformations
    of images in scanline order", 1980): along the columns in every row of the input, then
    along the rows in every column of the output.

    Args:
        images: Float32 (b, h, w, c) with static h and w.
        maps: Float32 (b, 2, 3) from output to input positions, both relative to the image's centre
            in pixels, (row, column); invertible.
        far_turns: Whether maps may rotate by much more than 45 degrees. Such images are then
            transposed first, since the passes would squeeze them.
        as_products: See `resample`.

    Returns:
        Float32 (b, h, w, c).
    """
    height, width = images.shape[1], images.shape[2]
    lasts = ops.convert_to_tensor([[height - 1.0, width - 1.0]])
    images = images - _MIDDLE_GRAY
    if far_turns and as_products:
        # The multiplier rounds to this type anyway, and it halves the bytes to transpose. Stored,
        # they are also what the choice between both reads, not the float32 they were made from.
        halved = kernels.stored(ops.cast(images, "bfloat16"))
        images, maps, lasts = _upright(halved, maps)
        images = ops.cast(images, "float32")
    elif far_turns:
        images, maps, lasts = _upright(images, maps)
    (a, b, down), (c, d, across) = (
        (row[:, 0, None, None], row[:, 1, None, None], row[:, 2, None, None])
        for row in ops.unstack(maps, axis=1)
    )
    last_row, last_column = lasts[:, 0, None, None], lasts[:, 1, None, None]
    rows = ops.arange(images.shape[1], dtype="float32")[:, None] - last_row / 2
    # Row r of the input meets column x of the output at this column of the input.
    slope = c / a
    places = slope * rows + (d - slope * b) * from_middle(width) + across - slope * down
    places = ops.clip(places + last_column / 2, 0.0, last_column)
    images = resample(images, places, as_products=as_products)
    places = a * from_middle(height) + b * from_middle(width)[:, None] + down
    places = ops.clip(places + last_row / 2, 0.0, last_row)
    return resample_rows(images, places, as_products=as_products) + _MIDDLE_GRAY


def crop(images: Tensor, maps: Tensor, *, as_products: bool = False) -> Tensor:
    """`transform` for maps without rotation and shear, such as those of `draw_crops`."""
    height, width = images.shape[1], images.shape[2]
    rows = maps[:, 0, 0, None] * from_middle(height) + maps[:, 0, 2, None] + (height - 1) / 2
    columns = maps[:, 1, 1, None] * from_middle(width) + maps[:, 1, 2, None] + (width - 1) / 2
    rows = ops.clip(rows, 0.0, height - 1.0)[:, None]
    columns = ops.clip(columns, 0.0, width - 1.0)[:, None]
    images = resample(images - _MIDDLE_GRAY, columns, as_products=as_products)
    return resample_rows(images, rows, as_products=as_products) + _MIDDLE_GRAY


def slide(
    images: Tensor, offsets: Tensor, *, down: bool = False, as_products: bool = False
) -> Tensor:
    """Shifts each row, or each column, along itself; edges are extended.

    Args:
        images: Float32 (b, h, w, c).
        offsets: Float32 (b, h), or (b, 1) for all rows alike, in pixels: how far to the right of
            its position each pixel samples. (b, w) or (b, 1), downwards, with `down`.
        down: Moves columns.
        as_products: See `resample`.

    Returns:
        Float32 (b, h, w, c).
    """
    length = images.shape[1 if down else 2]
    places = offsets[:, :, None] + ops.arange(length, dtype="float32")
    places = ops.clip(places, 0.0, length - 1.0)
    along = resample_rows if down else resample
    return along(images - _MIDDLE_GRAY, places, as_products=as_products) + _MIDDLE_GRAY


def from_middle(length: int) -> Tensor:
    """Positions of pixels relative to the centre; float32 (length,)."""
    return ops.arange(length, dtype="float32") - (length - 1) / 2


def _upright(images: Tensor, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Transposes the images whose maps rotate by more than 45 degrees, and their maps.

    Returns:
        Square images, padded with zeros if they are not; maps into them; the last row and column of
        each without padding, float32 (b, 2).
    """
    height, width = images.shape[1], images.shape[2]
    side = max(height, width)
    images = ops.pad(images, [[0, 0], [0, side - height], [0, side - width], [0, 0]])
    straight = ops.abs(maps[:, 0, 0] * maps[:, 1, 1]) >= ops.abs(maps[:, 0, 1] * maps[:, 1, 0])
    lying = ops.transpose(images, [0, 2, 1, 3])
    images = ops.where(straight[:, None, None, None], images, lying)
    maps = ops.where(straight[:, None, None], maps, maps[:, ::-1])
    lasts = ops.convert_to_tensor([height - 1.0, width - 1.0])
    return images, maps, ops.where(straight[:, None], lasts, lasts[::-1])
