"""Random affine maps of a batch, by gathers that XLA compiles with static shapes."""

import math
from typing import TypeAlias

import tensorflow as tf

from glrtf.config.data import AugmentConfig

Tensor: TypeAlias = tf.Tensor


def draw(seed: Tensor, count: Tensor | int, config: AugmentConfig) -> Tensor:
    """Draws one map per image: rotation, shear, zooms and shifts, all normal.

    Args:
        seed: int32 (2,).
        count: Number of images.
        config: The standard deviations.

    Returns:
        Float32 (count, 2, 3); see `matrices`.
    """
    normal = tf.random.stateless_normal([count, 6], seed)
    degree = math.pi / 180
    return matrices(
        rotations=normal[:, 0] * config.rotation * degree,
        shears=normal[:, 1] * config.shear * degree,
        zooms=1.0 + normal[:, 2:4] * config.zoom,
        shifts=normal[:, 4:6] * config.shift,
    )


def draw_crops(seed: Tensor, count: Tensor | int, shape: tuple[int, int], area: float) -> Tensor:
    """Draws one crop per image, stretched to the whole (Szegedy et al., arXiv 1409.4842).

    Args:
        seed: int32 (2,).
        count: Number of images.
        shape: Their height and width in pixels.
        area: The least share of an image's area; up to the whole of it, uniform.
            The aspect is log-uniform between 3/4 and 4/3.

    Returns:
        Float32 (count, 2, 3); see `matrices`.
    """
    draws = tf.random.stateless_uniform([count, 4], seed)
    areas = area + (1.0 - area) * draws[:, 0]
    stretch = tf.exp((draws[:, 1] - 0.5) * math.log(4 / 3))
    sides = tf.sqrt(areas)[:, None] * tf.stack([1 / stretch, stretch], -1)
    sides = tf.minimum(sides, 1.0)
    lengths = tf.constant(shape, tf.float32)
    # The crop's middle lies where the crop stays inside.
    middles = (draws[:, 2:] - 0.5) * (1.0 - sides) * lengths
    return tf.concat([tf.linalg.diag(sides), middles[:, :, None]], axis=2)


def matrices(rotations: Tensor, shears: Tensor, zooms: Tensor, shifts: Tensor) -> Tensor:
    """The map from output to input positions, about the image's middle.

    R(rotation) · S(shear) · Z(1/zoom) · T(shift) in (row, column) order, as in the
    original: a zoom factor above 1 magnifies, a shift moves the place looked at.

    Args:
        rotations: Radians (b,).
        shears: Radians (b,).
        zooms: (b, 2), for rows and columns.
        shifts: Pixels (b, 2), for rows and columns.

    Returns:
        Float32 (b, 2, 3): [linear part | translation].
    """
    cos, sin = tf.cos(rotations), tf.sin(rotations)
    rotate = tf.stack([tf.stack([cos, sin], -1), tf.stack([-sin, cos], -1)], 1)
    one, zero = tf.ones_like(shears), tf.zeros_like(shears)
    sheared = [tf.stack([one, tf.sin(shears)], -1), tf.stack([zero, tf.cos(shears)], -1)]
    linear = (rotate @ tf.stack(sheared, 1)) / zooms[:, None, :]
    return tf.concat([linear, linear @ shifts[:, :, None]], axis=2)


def transform(images: Tensor, maps: Tensor) -> Tensor:
    """Samples images bilinearly where the maps point; beyond the edge, the edge.

    Args:
        images: Float (b, h, w, 3) with static h and w.
        maps: Float (b, 2, 3) from output to input positions, both measured from
            the image's middle in pixels, (row, column).

    Returns:
        Float (b, h, w, 3).
    """
    height, width = images.shape[1], images.shape[2]
    middle = tf.constant([(height - 1) / 2, (width - 1) / 2], tf.float32)
    grid = tf.meshgrid(tf.range(height), tf.range(width), indexing="ij")
    positions = tf.cast(tf.reshape(tf.stack(grid, -1), [-1, 2]), tf.float32) - middle
    source = tf.einsum("bij,pj->bpi", maps[:, :, :2], positions) + maps[:, None, :, 2] + middle
    source = tf.clip_by_value(source, 0.0, [height - 1.0, width - 1.0])
    return tf.reshape(_bilinear(images, source), tf.shape(images))


def _bilinear(images: Tensor, source: Tensor) -> Tensor:
    """Values at float positions (b, p, 2) inside the images; (b, p, 3)."""
    height, width = images.shape[1], images.shape[2]
    low = tf.floor(source)
    share = tf.cast(source - low, images.dtype)
    top, left = tf.unstack(tf.cast(low, tf.int32), axis=-1)
    bottom, right = tf.minimum(top + 1, height - 1), tf.minimum(left + 1, width - 1)
    pixels = tf.reshape(images, [-1, height * width, images.shape[3]])

    def at(rows: Tensor, columns: Tensor) -> Tensor:
        return tf.gather(pixels, rows * width + columns, batch_dims=1)

    down, across = share[..., :1], share[..., 1:]
    upper = at(top, left) * (1 - across) + at(top, right) * across
    lower = at(bottom, left) * (1 - across) + at(bottom, right) * across
    return upper * (1 - down) + lower * down
