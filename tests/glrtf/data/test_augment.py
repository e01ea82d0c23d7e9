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


def slow_line(values, place):
    """Linear interpolation on one line; beyond its ends, the ends."""
    place = min(max(place, 0.0), len(values) - 1.0)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] * (1 - place + low) + values[high] * (place - low)


def slow_transform(image, matrix):
    """First each row of the input, then each column of the output, by hand."""
    height, width = image.shape[:2]
    (a, b, down), (c, d, across) = np.float64(matrix)
    if abs(a * d) < abs(b * c):
        # The image on its side, its rows now columns.
        image = image.transpose(1, 0, 2)
        (a, b, down), (c, d, across) = (c, d, across), (a, b, down)
    last_row, last_column = image.shape[0] - 1, image.shape[1] - 1
    middle = np.empty((image.shape[0], width, 3))
    for r, x in np.ndindex(*middle.shape[:2]):
        # Output row y with a y + b x + down = r, and the input's column there.
        y = (r - last_row / 2 - b * (x - (width - 1) / 2) - down) / a
        column = c * y + d * (x - (width - 1) / 2) + across
        middle[r, x] = slow_line(image[r], column + last_column / 2)
    result = np.empty((height, width, 3))
    for y, x in np.ndindex(height, width):
        row = a * (y - (height - 1) / 2) + b * (x - (width - 1) / 2) + down
        result[y, x] = slow_line(middle[:, x], row + last_row / 2)
    return result


def as_products(function):
    """Compiled, with the products that a TPU multiplies."""
    return compiled(lambda *arguments: function(*arguments, as_products=True))


def test_affine_samples_in_two_passes_up_to_the_edge(images):
    maps = drawn_maps()
    expected = [slow_transform(*each) for each in zip(images, maps.numpy(), strict=True)]
    # Positions are rounded to 1/256 pixel: twice 1/512 of a difference of at most 1.
    for run in (affine.transform, compiled(affine.transform)):
        np.testing.assert_allclose(run(images, maps), expected, atol=2.1 / 512)
    # Values are rounded to bfloat16 too.
    run = as_products(affine.transform)
    np.testing.assert_allclose(run(images, maps), expected, atol=2.1 / 512 + 1.1 / 1024)


def test_affine_agrees_with_pillow_inside():
    """A rotation by 20 degrees of a smooth picture, where Pillow's black outside is not seen."""
    coarse = np.random.default_rng(1).integers(0, 255, (5, 5, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((120, 120), Image.Resampling.BICUBIC)
    [matrix] = affine.matrices(
        [math.radians(20)], [0.0], np.ones((1, 2), np.float32), np.zeros((1, 2), np.float32)
    )
    ours = affine.transform(np.float32(picture)[None] / 255, matrix[None])[0].numpy() * 255
    turned = np.float32(picture.rotate(20, Image.Resampling.BILINEAR))
    inside = (slice(36, 84), slice(36, 84))
    # Interpolating along slanted lines or straight ones: a smooth picture hardly differs.
    assert np.abs(ours[inside] - turned[inside]).max() < 2


def test_quarter_turns_and_whole_shifts_are_exact(images):
    square = images[:, :20, :20]
    quarter = np.float32([[[0, 1, 0], [-1, 0, 0]]] * 4)
    # Output (y, x) shows the input at (x, -y), measured from the middle.
    turned = square[:, :, ::-1].transpose(0, 2, 1, 3)
    np.testing.assert_allclose(affine.transform(square, quarter), turned, atol=1e-7)
    shift = np.float32([[[1, 0, 2], [0, 1, -3]]] * 4)
    np.testing.assert_allclose(
        affine.transform(images, shift)[:, :18, 3:], images[:, 2:, :25], atol=1e-7
    )


def rounded_to_bfloat16(values):
    return tf.cast(tf.cast(values, tf.bfloat16), tf.float32)


def multiplied_in_bfloat16(monkeypatch):
    """Every product that TensorFlow offers takes its operands in bfloat16, as on a TPU."""
    from glrtf.data import kernels

    exact = kernels.multiplied

    def rounding(function):
        return lambda *operands, **options: function(
            *(rounded_to_bfloat16(o) if hasattr(o, "dtype") else o for o in operands), **options
        )

    monkeypatch.setattr(kernels, "multiplied", rounding(exact))
    for name in ("einsum", "matmul"):
        monkeypatch.setattr(tf, name, rounding(getattr(tf, name)))


def test_positions_are_exact_where_products_are_of_bfloat16(images, monkeypatch):
    """The picture shows its own rows and columns, so that values tell where they are from."""
    multiplied_in_bfloat16(monkeypatch)
    side = 64
    rows, columns = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    # One bit of each place in each channel pair: 0 and 1 are exact in bfloat16.
    stripes = np.stack([rows % 2, columns % 2, (rows + columns) % 2], -1).astype(np.float32)
    maps = np.float32([[[1, 0, 0], [0, 1, 0.3]], [[1, 0, 0.7], [0, 1, 0]], [[1, 0, 0], [0, 1, 0]]])
    found = as_products(affine.transform)(np.stack([stripes] * 3), maps).numpy()
    # 0.3 px to the right of an even column lies 0.3 towards an odd one; 0.7 px down likewise.
    np.testing.assert_allclose(found[0, :, 0:60:2, 1], 0.3, atol=1 / 64)
    np.testing.assert_allclose(found[1, 0:60:2, :, 0], 0.7, atol=1 / 64)
    np.testing.assert_array_equal(found[2], stripes)
    # Far from the middle of a large image, a turn by 10 degrees, against float64.
    maps = np.stack([original_matrix(10, 2, (1.1, 0.9), (3, -2))[:2]] * 4).astype(np.float32)
    expected = [slow_transform(*each) for each in zip(images, maps, strict=True)]
    found = as_products(affine.transform)(images, maps)
    # 2/512 for positions; values are rounded by at most 1/1024 in either pass.
    np.testing.assert_allclose(found, expected, atol=2.1 / 512 + 2.1 / 1024)


def test_what_may_be_transposed_is_stored_once_in_bfloat16(images):
    """Without the barrier a TPU's compiler reads float32 again where it chooses between both."""
    traced = tf.function(
        lambda images, maps: affine.transform(images, maps, as_products=True), autograph=False
    ).get_concrete_function(images, drawn_maps())
    operations = traced.graph.get_operations()
    [barrier] = [each for each in operations if each.type == "XlaOptimizationBarrier"]
    assert barrier.inputs[0].dtype == tf.bfloat16
    assert barrier.inputs[0].shape == images.shape


def test_crop_equals_a_map(images):
    maps = affine.draw_crops(tf.constant([1, 2]), 4, (20, 28), 0.3)
    expected = [slow_transform(*each) for each in zip(images, maps.numpy(), strict=True)]
    for run in (affine.crop, as_products(affine.crop)):
        np.testing.assert_allclose(run(images, maps), expected, atol=2.1 / 512)


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
