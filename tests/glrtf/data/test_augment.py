import math

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from glrtf.config.data import AugmentConfig
from glrtf.data import affine, augment

EVERYTHING = AugmentConfig(affine=True, cutout=6)


@pytest.fixture
def images():
    return np.random.default_rng(7).random((4, 20, 28, 3), dtype=np.float32)


def compiled(function):
    return tf.function(function, jit_compile=True, autograph=False)


def test_flip_mirrors_the_chosen_images(images):
    flipped = augment.flip(images, tf.constant([True, False, False, True]))
    expected = [
        np.asarray([row[::-1] for row in image]) if chosen else image
        for image, chosen in zip(images, [True, False, False, True], strict=True)
    ]
    np.testing.assert_array_equal(flipped, expected)


def slow_hue_saturation(image, hue, factor):
    """One pixel after the other with the standard library's colour arithmetic."""
    import colorsys

    result = np.empty_like(image)
    for place in np.ndindex(image.shape[:2]):
        h, s, v = colorsys.rgb_to_hsv(*image[place])
        result[place] = colorsys.hsv_to_rgb((h + hue) % 1, min(max(s * factor, 0), 1), v)
    return result


def test_hue_and_saturation_are_those_of_the_standard_library(images):
    hues, factors = np.float32([0.01, -0.01, 0.3, 0]), np.float32([0.7, 1.3, 1.0, 2.0])
    expected = [slow_hue_saturation(*each) for each in zip(images, hues, factors, strict=True)]
    for run in (augment.adjust_hue_saturation, compiled(augment.adjust_hue_saturation)):
        np.testing.assert_allclose(run(images, hues, factors), expected, atol=2e-6)


def test_contrast_scales_about_each_channels_mean(images):
    factors = np.float32([0.8, 1.0, 1.2, 1.1])
    expected = images.astype(np.float64)
    for image, factor in zip(expected, factors, strict=True):
        for channel in range(3):
            mean = image[:, :, channel].mean()
            image[:, :, channel] = mean + factor * (image[:, :, channel] - mean)
    for run in (augment.adjust_contrast, compiled(augment.adjust_contrast)):
        np.testing.assert_allclose(run(images, factors), expected, atol=1e-6)


def test_brightness_adds(images):
    deltas = np.float32([0.1, -0.1, 0.0, 0.05])
    expected = np.stack([image + delta for image, delta in zip(images, deltas, strict=True)])
    np.testing.assert_allclose(augment.adjust_brightness(images, deltas), expected, atol=1e-7)


def test_holes_are_black_and_the_rest_untouched(images):
    # Side 1/4 of 20 rows and 28 columns: 5 and 7 pixels. The middle (10, 14) gives the rows
    # whose middles are within 2.5 of 10 (8..12) and the columns within 3.5 of 14 (11..17 as
    # 10.5 and 17.5 lie on the edge and fall outside, so 11..16).
    # A hole at the corner (0, 0) keeps its quarter: rows 0..1 (middles < 2.5), columns 0..2.
    centers = np.zeros((4, 2, 2), np.float32)
    centers[:, 0] = 0.5
    expected = images.copy()
    expected[:, 8:12, 11:17] = 0
    expected[:, 0:2, 0:3] = 0
    for run in (augment.cut_holes, compiled(lambda x, c, s: augment.cut_holes(x, c, 0.25))):
        np.testing.assert_array_equal(run(images, centers, 0.25), expected)


def original_matrix(rotation, shear, zooms, shifts):
    """The 3 x 3 product the original multiplies, angles in degrees."""
    r, s = math.radians(rotation), math.radians(shear)
    rotate = [[math.cos(r), math.sin(r), 0], [-math.sin(r), math.cos(r), 0], [0, 0, 1]]
    sheared = [[1, math.sin(s), 0], [0, math.cos(s), 0], [0, 0, 1]]
    zoom = np.diag([1 / zooms[0], 1 / zooms[1], 1])
    shift = [[1, 0, shifts[0]], [0, 1, shifts[1]], [0, 0, 1]]
    return np.array(rotate) @ np.array(sheared) @ zoom @ np.array(shift)


PARAMETERS = (
    (0.0, 0.0, (1.0, 1.0), (0.0, 0.0)),
    (10.0, 2.0, (1.1, 0.9), (3.0, -2.0)),
    (-25.0, -4.0, (0.8, 1.3), (-8.0, 5.0)),
    (90.0, 0.0, (1.0, 1.0), (0.0, 0.0)),
)


def drawn_maps():
    columns = [np.float32(column) for column in zip(*PARAMETERS, strict=True)]
    radians = math.pi / 180
    return affine.matrices(columns[0] * radians, columns[1] * radians, columns[2], columns[3])


def test_maps_are_the_originals():
    for ours, parameters in zip(drawn_maps().numpy(), PARAMETERS, strict=True):
        np.testing.assert_allclose(ours, original_matrix(*parameters)[:2], atol=1e-5)


def slow_transform(image, matrix):
    """Each output pixel looks up its place by hand."""
    height, width = image.shape[:2]
    middle = np.array([(height - 1) / 2, (width - 1) / 2])
    result = np.empty_like(image)
    for place in np.ndindex(height, width):
        row, column = matrix[:, :2] @ (np.array(place) - middle) + matrix[:, 2] + middle
        row, column = min(max(row, 0), height - 1), min(max(column, 0), width - 1)
        top, left = int(row), int(column)
        bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
        upper = image[top, left] * (1 - column + left) + image[top, right] * (column - left)
        lower = image[bottom, left] * (1 - column + left) + image[bottom, right] * (column - left)
        result[place] = upper * (1 - row + top) + lower * (row - top)
    return result


def test_affine_samples_bilinearly_up_to_the_edge(images):
    maps = drawn_maps()
    expected = [slow_transform(*each) for each in zip(images, maps.numpy(), strict=True)]
    for run in (affine.transform, compiled(affine.transform)):
        np.testing.assert_allclose(run(images, maps), expected, atol=1e-4)


def test_affine_agrees_with_pillow_inside(images):
    """A rotation by 20 degrees, where Pillow's black outside is not seen."""
    angle = math.radians(20)
    [matrix] = affine.matrices(
        [angle], [0.0], np.ones((1, 2), np.float32), np.zeros((1, 2), np.float32)
    )
    square = images[:1, :20, :20]
    ours = affine.transform(square, matrix[None])[0].numpy()
    for channel in range(3):
        plane = Image.fromarray(square[0, :, :, channel])
        pillow = np.asarray(plane.rotate(20, Image.Resampling.BILINEAR))
        mirrored = np.asarray(plane.rotate(-20, Image.Resampling.BILINEAR))
        inside = (slice(6, 14), slice(6, 14))
        gaps = [np.abs(ours[..., channel][inside] - p[inside]).max() for p in (pillow, mirrored)]
        assert min(gaps) < 1e-3


def test_augmented_images_stay_in_range_and_differ_from_each_other(images):
    same = np.repeat(images[:1], 4, axis=0)
    run = compiled(lambda x, s: augment.augment(x, s, EVERYTHING))
    result = run(same, augment.step_seed(0, 0)).numpy()
    assert result.shape == same.shape and result.dtype == np.float32
    assert result.min() >= 0 and result.max() <= 1
    for first in range(4):
        for second in range(first):
            assert np.abs(result[first] - result[second]).max() > 0.01


def test_one_seed_one_result_and_another_per_step_and_replica(images):
    run = compiled(lambda x, s: augment.augment(x, s, AugmentConfig()))
    first = run(images, augment.step_seed(1, 2, 0))
    np.testing.assert_array_equal(first, run(images, augment.step_seed(1, 2, 0)))
    for other in ((2, 2, 0), (1, 3, 0), (1, 2, 1), (2, 1, 0)):
        assert np.abs(first - run(images, augment.step_seed(*other))).max() > 1e-3


def test_everything_off_changes_nothing(images):
    off = AugmentConfig(hflip=0, hue=0, saturation=0, contrast=0, brightness=0)
    np.testing.assert_array_equal(augment.augment(images, tf.constant([1, 2]), off), images)


def test_switching_one_step_off_leaves_the_draws_of_the_others():
    gray = np.full((64, 2, 2, 3), 0.5, np.float32)  # only brightness can be seen on it
    all_on = augment.augment(gray, tf.constant([1, 2]), AugmentConfig())
    alone = AugmentConfig(hflip=0, hue=0, saturation=0, contrast=0)
    np.testing.assert_allclose(all_on, augment.augment(gray, tf.constant([1, 2]), alone), atol=1e-6)


DRAWS = 10_000


def one_pixel_effects(config, image):
    """The augmented copies of one image under 10,000 draws."""
    copies = np.broadcast_to(np.float32(image), (DRAWS, *np.shape(image)))
    run = compiled(lambda x, s: augment.augment(x, s, config))
    return run(copies, augment.step_seed(3, 0)).numpy().astype(np.float64)


def assert_uniform(values, low, high):
    """Kolmogorov-Smirnov: 10,000 uniform draws pass 1.95 / 100 with probability 0.999."""
    places = (np.sort(values) - low) / (high - low)
    gap = np.abs(places - (np.arange(DRAWS) + 0.5) / DRAWS).max()
    assert gap < 1.95 / math.sqrt(DRAWS)


ONLY = {"hflip": 0, "hue": 0, "saturation": 0, "contrast": 0, "brightness": 0}


def test_half_of_the_images_are_mirrored():
    image = [[[0.0] * 3, [1.0] * 3]]
    mirrored = one_pixel_effects(AugmentConfig(**{**ONLY, "hflip": 0.5}), image)[:, 0, 0, 0]
    # The share of 10,000 fair draws is within 3.3 standard deviations, 0.0165, of a half.
    assert abs(mirrored.mean() - 0.5) < 0.0165


def test_brightness_is_uniform():
    values = one_pixel_effects(AugmentConfig(**{**ONLY, "brightness": 0.1}), [[[0.5] * 3]])
    assert_uniform(values[:, 0, 0, 0] - 0.5, -0.1, 0.1)


def test_contrast_is_uniform():
    # Pixels 0.4 and 0.6 have the mean 0.5: their distance is 0.2 x factor.
    image = [[[0.4] * 3, [0.6] * 3]]
    values = one_pixel_effects(AugmentConfig(**{**ONLY, "contrast": 0.2}), image)
    assert_uniform((values[:, 0, 1, 0] - values[:, 0, 0, 0]) / 0.2, 0.8, 1.2)


def test_saturation_is_uniform():
    # (0.5, 0.25, 0.25) has saturation 0.5 and value 0.5: green becomes 0.5 (1 - 0.5 factor).
    values = one_pixel_effects(AugmentConfig(**{**ONLY, "saturation": 0.3}), [[[0.5, 0.25, 0.25]]])
    assert_uniform((1 - values[:, 0, 0, 1] / 0.5) / 0.5, 0.7, 1.3)


def test_hue_is_uniform():
    # Value 1, saturation 1, green rising: (1, g, 0) has the hue g / 6.
    values = one_pixel_effects(AugmentConfig(**{**ONLY, "hue": 0.01}), [[[1.0, 0.5, 0.0]]])
    assert_uniform(values[:, 0, 0, 1] / 6 - 0.5 / 6, -0.01, 0.01)


def test_affine_amounts_are_normal():
    config = AugmentConfig(affine=True)
    maps = affine.draw(augment.step_seed(0, 0), DRAWS, config).numpy().astype(np.float64)
    first_column = maps[:, :, 0]  # R (1, 0) x zoom: angle and length
    rotation = np.degrees(np.arctan2(-first_column[:, 1], first_column[:, 0]))
    shifts = np.linalg.solve(maps[:, :, :2], maps[:, :, 2:])[:, :, 0]
    amounts = {
        "rotation": rotation / 10,
        "zoom": (1 / np.linalg.norm(first_column, axis=1) - 1) * 8,
        "row shift": shifts[:, 0] / 8,
        "column shift": shifts[:, 1] / 8,
    }
    for name, standard in amounts.items():
        # 3.3 standard errors: 0.033 for the mean of 10,000, 0.024 for their deviation.
        assert abs(standard.mean()) < 0.033, name
        assert abs(standard.std() - 1) < 0.024, name


def test_impossible_amounts_are_refused():
    with pytest.raises(ValueError, match=r"hflip: expected 0 to 1, found 1\.5"):
        AugmentConfig(hflip=1.5)
    with pytest.raises(ValueError, match="shift: expected 0 or more, found -1"):
        AugmentConfig(shift=-1)
