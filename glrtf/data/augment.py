"""Augmentation of a batch on the device: pure functions, one draw per image.

Every function takes float images (b, h, w, 3) and per-image amounts (b, …),
has static shapes and compiles with XLA. `augment` draws the amounts from a
stateless seed: equal seeds give equal results on one kind of device (XLA's
generator differs from the one of uncompiled TensorFlow).
"""

from typing import Any, TypeAlias

from glrtf.config.data import AugmentConfig
from glrtf.config.keras_settings import keras
from glrtf.data import affine, kernels
from glrtf.data.erasing import random_erasing
from glrtf.data.kernels import step_seed as step_seed
from glrtf.data.rand_augment import rand_augment

Tensor: TypeAlias = Any
ops = keras.ops

# Each step draws from its own stream, so switching one off does not change the others.
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
    "erasing",
)


def augment(
    images: Tensor, seed: Tensor, config: AugmentConfig, *, as_products: bool = False
) -> Tensor:
    """Augments every image of a batch by its own random amounts.

    The order is the original's: flip, hue, saturation, contrast, brightness,
    then the two that the original had switched off, affine and cutout. The random crop comes first;
    RandAugment, which jitters colours itself, before the cutout; random erasing comes last.

    Args:
        images: Float (b, h, w, 3) in [0, 1].
        seed: From `step_seed`.
        config: Which steps, and their strength.
        as_products: Whether geometry multiplies by matrices of weights rather than gathers
            pixels, as TPUs need; see `glrtf.data.resample`.

    Returns:
        Float (b, h, w, 3), clipped to [0, 1].
    """
    count = ops.shape(images)[0]
    seeds = {name: kernels.fold_in(seed, i) for i, name in enumerate(_STREAMS)}
    if config.crop < 1:
        crops = affine.draw_crops(seeds["crop"], count, tuple(images.shape[1:3]), config.crop)
        images = affine.crop(images, crops, as_products=as_products)
    if config.hflip:
        images = flip(images, kernels.uniform(seeds["hflip"], [count], 0.0, 1.0) < config.hflip)
    if config.hue or config.saturation:
        hues = kernels.uniform(seeds["hue"], [count], -config.hue, config.hue)
        factors = around_one(seeds["saturation"], [count], config.saturation)
        images = adjust_hue_saturation(images, hues, factors)
    if config.contrast:
        factors = around_one(seeds["contrast"], [count], config.contrast)
        images = adjust_contrast(images, factors)
    if config.brightness:
        deltas = kernels.uniform(
            seeds["brightness"], [count], -config.brightness, config.brightness
        )
        images = adjust_brightness(images, deltas)
    images = ops.clip(images, 0.0, 1.0)
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
        centers = kernels.uniform(seeds["cutout"], [count, config.cutout, 2], 0.0, 1.0)
        images = cut_holes(images, centers, config.cutout_size)
    if config.erasing:
        images = random_erasing(images, seeds["erasing"], config.erasing, config.erasing_area)
    return images


def around_one(seed: Tensor, shape: list[Tensor | int], spread: float) -> Tensor:
    """Float32 factors from [1 - spread, 1 + spread)."""
    return kernels.uniform(seed, shape, 1.0 - spread, 1.0 + spread)


def flip(images: Tensor, mirrored: Tensor) -> Tensor:
    """Mirrors left and right the images for which `mirrored`, bool (b,), is true."""
    return ops.where(mirrored[:, None, None, None], images[:, :, ::-1], images)


def adjust_hue_saturation(images: Tensor, hues: Tensor, factors: Tensor) -> Tensor:
    """Rotates hue and scales saturation in one conversion to HSV and back.

    Equal to `tf.image.adjust_hue` followed by `tf.image.adjust_saturation`.

    Args:
        images: Float (b, h, w, 3) in [0, 1].
        hues: Float (b,), shares of the full circle, in [-1, 1].
        factors: Float (b,), not negative; saturation is clipped to [0, 1].
    """
    hue, saturation, value = ops.unstack(ops.image.rgb_to_hsv(images), axis=-1)
    hue = ops.mod(hue + ops.cast(hues, images.dtype)[:, None, None], 1.0)
    factors = ops.cast(factors, images.dtype)[:, None, None]
    saturation = ops.clip(saturation * factors, 0.0, 1.0)
    return ops.image.hsv_to_rgb(ops.stack([hue, saturation, value], axis=-1))


def adjust_contrast(images: Tensor, factors: Tensor) -> Tensor:
    """Scales the distance of each value from its image's and channel's mean by factors (b,)."""
    means = ops.mean(images, axis=[1, 2], keepdims=True)
    return (images - means) * ops.cast(factors, images.dtype)[:, None, None, None] + means


def adjust_brightness(images: Tensor, deltas: Tensor) -> Tensor:
    """Adds to every value its image's delta (b,)."""
    return images + ops.cast(deltas, images.dtype)[:, None, None, None]


def cut_holes(images: Tensor, centers: Tensor, size: float) -> Tensor:
    """Fills square holes with black (DeVries and Taylor 2017, arXiv 1708.04552).

    Args:
        images: Float (b, h, w, 3).
        centers: Float (b, holes, 2) in [0, 1): row and column, as shares of the image.
        size: Side of a hole as a share of each image side; holes may extend past the border.
    """
    height, width = images.shape[1], images.shape[2]
    inside_rows = _within(centers[..., 0], height, size)
    inside_columns = _within(centers[..., 1], width, size)
    holes = inside_rows[:, :, :, None] & inside_columns[:, :, None, :]
    return ops.where(ops.any(holes, axis=1)[..., None], 0.0, images)


def _within(centers: Tensor, length: int, size: float) -> Tensor:
    """Bool (b, holes, length): which pixels' centres are in each hole's interval."""
    middles = (ops.arange(length, dtype="float32") + 0.5) / length
    return ops.abs(middles - centers[..., None]) < size / 2
