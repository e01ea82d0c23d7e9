import functools

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from glrtf.config.data import AugmentConfig
from glrtf.data import affine, augment, rand_augment

# Compiled once for all tests.
SELECT = tf.function(rand_augment.select, jit_compile=True, reduce_retracing=False)
AS_PRODUCTS = tf.function(
    functools.partial(rand_augment.select, as_products=True), jit_compile=True, autograph=False
)
STRENGTHS = np.float32([0.5, -0.5, 1.0, -1.0])


@pytest.fixture
def photos():
    """Smooth uint8 pictures, (4, 20, 28, 3)."""
    coarse = np.random.default_rng(1).integers(20, 230, (4, 4, 5, 3), dtype=np.uint8)
    return np.stack([Image.fromarray(c).resize((28, 20), Image.Resampling.BICUBIC) for c in coarse])


def by_pillow(name, photo, strength):
    """What Pillow makes of one photo; uint8."""
    image = Image.fromarray(photo)
    factor = 1 + 0.9 * strength
    if name in ("color", "contrast", "brightness", "sharpness"):
        return np.asarray(getattr(ImageEnhance, name.capitalize())(image).enhance(factor))
    if name == "posterize":
        return np.asarray(ImageOps.posterize(image, 8 - round(4 * abs(strength))))
    if name == "solarize":
        return np.asarray(ImageOps.solarize(image, 255 * (1 - abs(strength))))
    if name in ("auto_contrast", "equalize"):
        return np.asarray(getattr(ImageOps, name.replace("_", ""))(image))
    return photo


@pytest.mark.parametrize(
    "name",
    ["identity", "auto_contrast", "equalize", "posterize", "solarize", "color", "contrast",
     "brightness", "sharpness"],
)  # fmt: skip
def test_colour_operations_are_pillows(photos, name):
    number = list(rand_augment.OPERATIONS).index(name)
    ours = SELECT(np.float32(photos) / 255, tf.fill([4], number), STRENGTHS).numpy() * 255
    for image, photo, strength in zip(ours, photos, STRENGTHS, strict=True):
        # Pillow rounds the gray mean and every result to whole levels.
        np.testing.assert_allclose(image, by_pillow(name, photo, float(strength)), atol=2.01)


@pytest.mark.parametrize(
    ("name", "linear", "shift"),
    [
        # Output pixel (row, column), from the middle, shows the input at linear · it + shift.
        ("shear_x", [[1, 0], [0.15, 1]], [0, 0]),
        ("shear_y", [[1, 0.15], [0, 1]], [0, 0]),
        ("translate_x", [[1, 0], [0, 1]], [0, 0.15 * 28]),
        ("translate_y", [[1, 0], [0, 1]], [0.15 * 20, 0]),
        (
            "rotate",
            [[np.cos(np.pi / 12), np.sin(np.pi / 12)], [-np.sin(np.pi / 12), np.cos(np.pi / 12)]],
            [0, 0],
        ),
    ],
)
def test_geometry(photos, name, linear, shift):
    images = np.float32(photos) / 255
    matrix = np.float32(np.column_stack([linear, shift]))
    expected = affine.transform(images, np.stack([matrix] * 4))
    number = list(rand_augment.OPERATIONS).index(name)
    ours = SELECT(images, tf.fill([4], number), np.full(4, 0.5, np.float32))
    # Both round positions to 1/256 pixel, a shear alone once and the map twice.
    np.testing.assert_allclose(ours, expected, atol=2.1 / 512)


def test_products_give_what_gathers_give(photos):
    count = len(rand_augment.OPERATIONS)
    images = np.repeat(np.float32(photos[:1]) / 255, count, axis=0)
    which, strengths = np.arange(count), np.linspace(-1, 1, count, dtype=np.float32)
    gathered = rand_augment.select(images, which, strengths)
    np.testing.assert_allclose(AS_PRODUCTS(images, which, strengths), gathered, atol=2e-6)


def test_equalize_is_exactly_pillows_and_leaves_flat_images():
    photos = np.random.default_rng(2).integers(0, 90, (4, 20, 28, 3), dtype=np.uint8)
    photos[1] = 7
    photos[2, :, :, 0] = np.where(np.arange(28) < 4, 0, 255)
    number = list(rand_augment.OPERATIONS).index("equalize")
    ours = SELECT(np.float32(photos) / 255, tf.fill([4], number), np.zeros(4, np.float32))
    expected = [ImageOps.equalize(Image.fromarray(photo)) for photo in photos]
    np.testing.assert_array_equal(np.round(ours.numpy() * 255), np.stack(expected))


def test_every_operation_comes_as_often_and_images_differ(photos):
    count = 14_000
    # Three pixels tell few operations apart, but the draws can be counted where they are made.
    seed = tf.random.fold_in(tf.constant([1, 2]), 0)
    which_seed, _ = tf.unstack(tf.random.split(seed, 2))
    which = tf.random.stateless_uniform([count], which_seed, 0, 14, tf.int32)
    seen = np.bincount(which, minlength=14)
    # 1,000 each, with a standard deviation of sqrt(14000 · 1/14 · 13/14) = 30.5.
    assert np.abs(seen - 1000).max() < 4 * 30.5
    same = np.repeat(np.float32(photos[:1]) / 255, 16, axis=0)
    result = rand_augment.rand_augment(same, tf.constant([1, 2]), 2, 6.0).numpy()
    assert result.min() >= 0 and result.max() <= 1
    assert len({image.tobytes() for image in result}) > 8


def test_crops_stay_inside_and_have_the_stated_sizes():
    maps = affine.draw_crops(tf.constant([1, 2]), 10_000, (20, 30), 0.25).numpy()
    sides = maps[:, [0, 1], [0, 1]]
    assert (maps[:, 0, 1] == 0).all() and (maps[:, 1, 0] == 0).all()
    assert (sides <= 1).all()
    reach = np.abs(maps[:, :, 2]) / [20, 30] + sides / 2
    assert reach.max() <= 0.5 + 1e-6
    areas, aspects = sides.prod(axis=1), sides[:, 1] / sides[:, 0]
    assert areas.min() >= 0.25 * 0.999 - 0.07  # a side cut at 1 loses a little
    assert aspects.min() >= 3 / 4 - 1e-3 and aspects.max() <= 4 / 3 + 1e-3
    # Where no side was cut the area is uniform in [0.25, 1]: below 0.5 lies a third.
    assert abs((areas < 0.5).mean() - 1 / 3) < 3.3 * (2 / 9 / 10_000) ** 0.5


def test_options_reach_the_augmentation(photos):
    images = np.float32(photos) / 255
    off = {"hflip": 0, "hue": 0, "saturation": 0, "contrast": 0, "brightness": 0}
    for option in ({"crop": 0.25}, {"rand_augment": 1}):
        config = AugmentConfig(**off, **option)
        run = tf.function(lambda x, c=config: augment.augment(x, [5, 6], c), jit_compile=True)
        result = run(images).numpy()
        assert result.shape == images.shape
        assert np.abs(result - images).max() > 0.05
