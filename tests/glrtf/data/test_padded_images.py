import numpy as np
import pytest
import tensorflow as tf
from shard_writing import photo, write_split

from glrtf.config.data import InputConfig
from glrtf.data import padded_images, padding
from glrtf.data.input_pipeline import float_images, plain_errors, train_batches
from tfrecords_tools.errors import UserError

SHAPES = ((5, 9), (12, 12), (1, 7), (12, 3))


@pytest.fixture
def images():
    generator = np.random.default_rng(3)
    return [generator.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in SHAPES]


def laid(image, side):
    """An image in a padded image that was used before."""
    place = np.full((side + 1, side, 3), 99, np.uint8)
    padding.put(image, place)
    return place


@pytest.mark.parametrize("size", [4, 12, 31])
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("antialias", [False, True])
def test_device_resize_is_tensorflows_bilinear(images, size, compiled, antialias):
    padded = tf.stack([laid(image, 12) for image in images])
    resize = tf.function(lambda x: padded_images.resize(x, size, antialias), jit_compile=compiled)
    expected = [tf.image.resize(image, [size, size], antialias=antialias) for image in images]
    np.testing.assert_allclose(resize(padded), expected, atol=2e-3)


def test_a_padded_image_holds_the_photo_its_extent_and_black(images):
    place = laid(images[0], 12)
    np.testing.assert_array_equal(place[1:6, :9], images[0])
    # The height 5 and the width 9, then black.
    assert place[0].ravel().tolist() == [0, 5, 0, 9] + [0] * 32
    assert place[6:].max() == 0 and place[1:, 9:].max() == 0


@pytest.mark.parametrize("side", [40, 41])
def test_a_file_is_decoded_into_a_padded_image(side):
    # The photo is 40 wide: with padding to 40 it is decoded in place.
    place = np.full((side + 1, side, 3), 99, np.uint8)
    padding.decode(photo(3), place)
    np.testing.assert_array_equal(place, laid(tf.io.decode_jpeg(photo(3)).numpy(), side))


def test_extents_above_one_byte():
    wide = laid(np.zeros((300, 1025, 3), np.uint8), 1025)
    heights, widths = padded_images.extents(wide[None])
    assert (heights.numpy().tolist(), widths.numpy().tolist()) == ([300], [1025])


def test_device_and_host_resize_feed_the_same_images(tmp_path):
    folder = str(write_split(tmp_path / "train", [6, 6]))
    results = []
    for mode in ("host-resize", "device-resize"):
        config = InputConfig(image_mode=mode, canvas=40, exact_resize=True)
        images, labels = next(
            iter(train_batches(folder, size=16, batch_size=12, seed=1, config=config))
        )
        results.append((float_images(images, 16, config).numpy(), labels.numpy()))
    # The host rounds to whole grey levels: half of 1/255.
    np.testing.assert_allclose(results[0][0], results[1][0], atol=0.501 / 255)
    np.testing.assert_array_equal(results[0][1], results[1][1])


def test_a_photo_larger_than_the_padded_size_is_refused(tmp_path):
    folder = str(write_split(tmp_path / "train", [2]))
    config = InputConfig(image_mode="device-resize", canvas=39)
    batches = train_batches(folder, size=16, batch_size=2, config=config)
    message = r"is broken: not a JPEG or PNG image of at most 39 pixels a side \(--input\.canvas\)"
    with pytest.raises(UserError, match=message), plain_errors():
        next(iter(batches))
    assert tf.io.decode_jpeg(photo(0)).shape == (24, 40, 3)
