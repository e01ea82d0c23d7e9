import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from glrtf.data import decoding, host_resize
from glrtf.data.input_spec import ForeignSpec
from glrtf.data.resizers import host_resizer


def photo(height, width, seed=0):
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return np.asarray(Image.fromarray(values).resize((width, height), Image.Resampling.BOX))


def squashed(image, size, method, antialias):
    found = tf.image.resize(image, [size, size], method, antialias=antialias)
    return np.clip(np.rint(found), 0, 255)


@pytest.mark.parametrize("shape", [(37, 53), (9, 16), (200, 31)])
def test_plain_bilinear_is_that_of_our_own_models(shape):
    image = photo(*shape)
    found = host_resize.prepare(image, ForeignSpec(16))
    expected = decoding.resize(image, 16).numpy()
    # Both round float32 sums: an exact half may fall either way.
    difference = np.abs(found.astype(int) - expected)
    assert difference.max() <= 1
    assert (difference == 0).mean() > 0.999


@pytest.mark.parametrize(
    ("kind", "antialias", "method"),
    [
        ("bicubic", False, "bicubic"),
        ("lanczos", False, "lanczos3"),
        ("bilinear", True, "bilinear"),
    ],
)
def test_filters_are_tensorflows(kind, antialias, method):
    image = photo(40, 52)
    found = host_resize.prepare(image, ForeignSpec(20, filter=kind, antialias=antialias))
    # In the middle: TensorFlow weighs what lies beyond the border by 0, this repeats the border.
    inner = slice(4, -4)
    expected = squashed(image, 20, method, antialias)
    assert np.abs(found.astype(int) - expected)[inner, inner].max() <= 1


def test_crop_is_the_middle_of_the_whole_resized_photo():
    image = photo(60, 90)
    spec = ForeignSpec(20, antialias=True, resize="crop", crop=0.8)
    # The short side becomes 20 / 0.8 = 25, the long 37.5, rounded 38; 2 and 9 pixels are cut.
    whole = np.asarray(Image.fromarray(image).resize((38, 25), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(
        host_resize.prepare(image, spec).astype(int), whole[2:22, 9:29], atol=1
    )


@pytest.mark.parametrize("antialias", [False, True])
def test_crop_of_a_very_long_photo_stays_small(antialias):
    image = photo(1, 20_000)
    spec = ForeignSpec(224, antialias=antialias, resize="crop", filter="bicubic")
    assert host_resize.prepare(image, spec).shape == (224, 224, 3)


def test_pad_puts_the_photo_in_the_middle_of_black():
    image = np.full((10, 40, 3), 200, np.uint8)
    found = host_resize.prepare(image, ForeignSpec(20, resize="pad"))
    # 40 x 10 becomes 20 x 5; of the 15 black rows 7 lie above.
    assert (found[7:12] == 200).all()
    assert (found[:7] == 0).all() and (found[12:] == 0).all()


def test_keep_adds_nothing_and_lies_on_a_canvas_in_a_batch():
    image, spec = photo(30, 60), ForeignSpec(20, resize="keep")
    prepared = host_resize.prepare(image, spec)
    assert prepared.shape == (10, 20, 3)
    canvas = np.empty(spec.shape, np.uint8)
    host_resizer(spec)(image, canvas)
    np.testing.assert_array_equal(canvas[1:11], prepared)


def test_a_photo_of_that_size_is_not_touched():
    image = photo(20, 20)
    for rule in ("squash", "crop", "pad", "keep"):
        found = host_resize.prepare(image, ForeignSpec(20, resize=rule, filter="lanczos"))
        np.testing.assert_array_equal(found, image)
