"""Augmentation of a batch on the device: pure functions, one draw per image.

Every function takes float images (b, h, w, 3) and per-image amounts (b, …),
has static shapes and compiles with XLA. `augment` draws the amounts from a
stateless seed: equal seeds give equal results on one kind of device (XLA's
generator differs from the one of uncompiled TensorFlow).
"""

from typing import TypeAlias

import tensorflow as tf

from glrtf.config.data import AugmentConfig
from glrtf.data import affine
from glrtf.data.rand_augment import rand_augment

Tensor: TypeAlias = tf.Tensor

# Each step draws from its own stream, so switching one off leaves the others as they were.
_STREAMS = (
    "hflip",
    "hue",
    "saturation",
    "contrast",
    "brightness",
    "affine",
    "cutout",
    "crop",
    "rand_augment",
)


def augment(
    images: Tensor, seed: Tensor, config: AugmentConfig, *, as_products: bool = False
) -> Tensor:
    """Varies every image of a batch by its own random amounts.

    The order is the original's: flip, hue, saturation, contrast, brightness,
    then the two that it had switched off, affine and cutout. The random crop
    comes first; RandAugment, which jitters colours itself, before the cutout.

    Args:
        images: Float (b, h, w, 3) in [0, 1].
        seed: int32 (2,); see `step_seed`.
        config: Which steps, and how strong.
        as_products: Whether geometry multiplies by matrices of weights rather than gathers
            pixels, as a TPU should; see `glrtf.data.resample`.

    Returns:
        Float (b, h, w, 3), clipped to [0, 1].
    """
    count = tf.shape(images)[0]
    seeds = {name: tf.random.fold_in(seed, i) for i, name in enumerate(_STREAMS)}
    if config.crop < 1:
        crops = affine.draw_crops(seeds["crop"], count, tuple(images.shape[1:3]), config.crop)
        images = affine.crop(images, crops, as_products=as_products)
    if config.hflip:
        images = flip(images, uniform(seeds["hflip"], [count], 0.0, 1.0) < config.hflip)
    if config.hue or config.saturation:
        hues = uniform(seeds["hue"], [count], -config.hue, config.hue)
        factors = around_one(seeds["saturation"], [count], config.saturation)
        images = adjust_hue_saturation(images, hues, factors)
    if config.contrast:
        factors = around_one(seeds["contrast"], [count], config.contrast)
        images = adjust_contrast(images, factors)
    if config.brightness:
        deltas = uniform(seeds["brightness"], [count], -config.brightness, config.brightness)
        images = adjust_brightness(images, deltas)
    images = tf.clip_by_value(images, 0.0, 1.0)
    if config.affine:
        maps = affine.draw(seeds["affine"], count, config)
        far = config.has_far_turns
        images = affine.transform(images, maps, far_turns=far, as_products=as_products)
    if config.rand_augment:
        images = rand_augment(
            images,
            seeds["rand_augment"],
            config.rand_augment,
            config.rand_augment_magnitude,
            as_products=as_products,
        )
    if config.cutout:
        centers = uniform(seeds["cutout"], [count, config.cutout, 2], 0.0, 1.0)
        images = cut_holes(images, centers, config.cutout_size)
    return images


def step_seed(seed: int, step: Tensor | int, replica: Tensor | int = 0) -> Tensor:
    """The seed of one replica at one step, int32 (2,): no two of them draw alike.

    Args:
        seed: The run's seed.
        step: Scalar, the number of the optimizer step or micro-batch.
        replica: Scalar, `replica_id_in_sync_group` of this replica.
    """
    step, replica = tf.cast(step, tf.int32), tf.cast(replica, tf.int32)
    return tf.random.fold_in(tf.random.fold_in(tf.constant([seed, 0], tf.int32), step), replica)


def uniform(seed: Tensor, shape: list[Tensor | int], low: float, high: float) -> Tensor:
    """Float32 draws from [low, high)."""
    return tf.random.stateless_uniform(shape, seed, low, high)


def around_one(seed: Tensor, shape: list[Tensor | int], spread: float) -> Tensor:
    """Float32 factors from [1 - spread, 1 + spread)."""
    return uniform(seed, shape, 1.0 - spread, 1.0 + spread)


def flip(images: Tensor, mirrored: Tensor) -> Tensor:
    """Mirrors left and right the images where `mirrored`, bool (b,), is true."""
    return tf.where(mirrored[:, None, None, None], images[:, :, ::-1], images)


def adjust_hue_saturation(images: Tensor, hues: Tensor, factors: Tensor) -> Tensor:
    """Rotates hue and scales saturation in one way to HSV and back.

    Equal to `tf.image.adjust_hue` followed by `tf.image.adjust_saturation`.

    Args:
        images: Float (b, h, w, 3) in [0, 1].
        hues: Float (b,), shares of the full circle, in [-1, 1].
        factors: Float (b,), not negative; saturation is clipped to [0, 1].
    """
    hue, saturation, value = tf.unstack(tf.image.rgb_to_hsv(images), axis=-1)
    hue = tf.math.floormod(hue + tf.cast(hues, images.dtype)[:, None, None], 1.0)
    factors = tf.cast(factors, images.dtype)[:, None, None]
    saturation = tf.clip_by_value(saturation * factors, 0.0, 1.0)
    return tf.image.hsv_to_rgb(tf.stack([hue, saturation, value], axis=-1))


def adjust_contrast(images: Tensor, factors: Tensor) -> Tensor:
    """Scales the distance of each value from its image's and channel's mean by factors (b,)."""
    means = tf.reduce_mean(images, axis=[1, 2], keepdims=True)
    return (images - means) * tf.cast(factors, images.dtype)[:, None, None, None] + means


def adjust_brightness(images: Tensor, deltas: Tensor) -> Tensor:
    """Adds to every value its image's delta (b,)."""
    return images + tf.cast(deltas, images.dtype)[:, None, None, None]


def cut_holes(images: Tensor, centers: Tensor, size: float) -> Tensor:
    """Fills square holes with black (DeVries and Taylor 2017, arXiv 1708.04552).

    Args:
        images: Float (b, h, w, 3).
        centers: Float (b, holes, 2) in [0, 1): row and column, as shares of the image.
        size: Side of a hole as a share of each image side; holes reach over the border.
    """
    height, width = images.shape[1], images.shape[2]
    inside_rows = _within(centers[..., 0], height, size)
    inside_columns = _within(centers[..., 1], width, size)
    holes = inside_rows[:, :, :, None] & inside_columns[:, :, None, :]
    return tf.where(tf.reduce_any(holes, axis=1)[..., None], 0.0, images)


def _within(centers: Tensor, length: int, size: float) -> Tensor:
    """Bool (b, holes, length): which pixels' middles lie in each hole's interval."""
    middles = (tf.range(length, dtype=tf.float32) + 0.5) / length
    return tf.abs(middles - centers[..., None]) < size / 2
