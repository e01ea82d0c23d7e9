"""The exported graph sees of every file what the shards hold of it."""

import io

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from glrtf.data.decoding import decode_on_host
from glrtf.inference.graph_photos import read_photo
from tfrecords_tools import images
from tfrecords_tools.images import ImageSettings

SHAPE = (48, 70)


def noise(channels, top=256, dtype=np.uint8):
    generator = np.random.default_rng(channels)
    return generator.integers(0, top, (*SHAPE, channels), dtype).squeeze()


def saved(picture, kind, **settings):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **settings)
    return buffer.getvalue()


def deep_png(values):
    return cv2.imencode(".png", values)[1].tobytes()


def palette(**settings):
    picture = Image.fromarray(noise(3)).quantize(32)
    return saved(picture, "PNG", **settings)


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(Image.fromarray(noise(3)), "JPEG", exif=exif)


FILES = {
    "JPEG": lambda: saved(Image.fromarray(noise(3)), "JPEG"),
    "gray JPEG": lambda: saved(Image.fromarray(noise(1)), "JPEG"),
    "turned JPEG": turned,
    "PNG": lambda: saved(Image.fromarray(noise(3)), "PNG"),
    "gray PNG": lambda: saved(Image.fromarray(noise(1)), "PNG"),
    "RGBA": lambda: saved(Image.fromarray(noise(4)), "PNG"),
    "gray with alpha": lambda: saved(Image.fromarray(noise(2)), "PNG"),
    "palette": palette,
    "palette, one colour transparent": lambda: palette(transparency=3),
    "16 bits gray": lambda: deep_png(noise(1, 65536, np.uint16)),
    "16 bits gray, dark": lambda: deep_png(noise(1, 256, np.uint16)),
    "16 bits RGB": lambda: deep_png(noise(3, 65536, np.uint16)),
    "16 bits RGBA": lambda: deep_png(noise(4, 65536, np.uint16)),
    "GIF": lambda: saved(Image.fromarray(noise(3)).quantize(32), "GIF"),
}


def built(data, max_side=None):
    """The definition: what the shards hold, as training decodes it."""
    return decode_on_host(images.inspect(data, ImageSettings(max_side=max_side)).encoded)


@pytest.mark.parametrize("name", FILES)
def test_a_file_gives_the_pixels_that_the_shards_hold(name):
    data = FILES[name]()
    np.testing.assert_array_equal(read_photo(tf.constant(data)), built(data))


@pytest.mark.parametrize("name", ["JPEG", "turned JPEG", "RGBA", "16 bits gray", "GIF"])
def test_longer_photos_are_shrunk_in_the_same_step(name):
    data = FILES[name]()
    expected = built(data, 32).astype(int)
    difference = np.abs(read_photo(tf.constant(data), 32).numpy() - expected)
    # The graph's Lanczos filter rounds a few values the other way, before the JPEG.
    assert difference.max() <= 8 and difference.mean() < 0.5


def test_cmyk_differs_by_its_rounding_alone():
    # Soft colours: JPEG makes of a level of difference a few in noise.
    soft = Image.fromarray(noise(3)).resize((8, 6)).resize(SHAPE[::-1], Image.Resampling.BICUBIC)
    data = saved(soft.convert("CMYK"), "JPEG", quality=95)
    difference = np.abs(read_photo(tf.constant(data)).numpy() - built(data).astype(int))
    assert difference.max() <= 4 and difference.mean() < 0.5


@pytest.mark.parametrize(
    "name",
    [
        *("ok.jpg", "cmyk.jpg", "exif_rot6.jpg", "exif_rot8.jpg", "gray.jpg", "progressive.jpg"),
        *("png16_gray_as.jpg", "png16_rgb_as.jpg", "png_palette_as.jpg", "png_rgba_as.jpg"),
        "mpo.jpg",
    ],
)
def test_a_crawls_files_give_the_pixels_that_the_shards_hold(faults, name):
    data = (faults / name).read_bytes()
    difference = np.abs(read_photo(tf.constant(data)).numpy() - built(data).astype(int))
    assert difference.max() <= (4 if name == "cmyk.jpg" else 0)
