"""GeM+, regional and scale GeM against slow versions, on a backbone of one convolution."""

import numpy as np
import pytest

from glrtf.config.keras_settings import keras
from glrtf.models import pooling_options
from glrtf.models.pooling import build_pooling
from glrtf.models.retrieval_model import UnitRows
from tfrecords_tools.errors import UserError

SIZE = 20


def embedding_model(size=SIZE, kind="gem"):
    network_input = keras.Input((size, size, 3))
    maps = keras.layers.Conv2D(4, 3, strides=4, kernel_initializer="random_normal")(network_input)
    network = keras.Model(network_input, keras.ops.relu(maps), name="network")
    images = keras.Input((size, size, 3))
    x = build_pooling(kind)(network(images))
    x = keras.layers.Dense(6, dtype="float32", name="embedding")(x)
    return keras.Model(images, UnitRows(name="unit_rows")(x), name="tiny")


def photos(size=SIZE, count=2):
    return np.random.default_rng(0).random((count, size, size, 3)).astype(np.float32)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def slow_regions(maps):
    """The published formula, one place after the other."""
    count, height, width, channels = maps.shape
    result = np.zeros(maps.shape)

    def mirrored(place, length):
        place = abs(place)
        return min(place, 2 * (length - 1) - place)

    for n, y, x, c in np.ndindex(count, height, width, channels):
        around = [
            max(maps[n, mirrored(y + dy, height), mirrored(x + dx, width), c], 1e-6) ** 2.5
            for dy in range(-2, 3)
            for dx in range(-2, 3)
        ]
        result[n, y, x, c] = 0.5 * np.mean(around) ** (1 / 2.5) + 0.5 * maps[n, y, x, c]
    return result


def slow_rows(model, images, *, power, regional):
    maps = np.asarray(model.get_layer("network")(images), np.float64)
    if regional:
        maps = slow_regions(maps)
    pooled = (np.maximum(maps, 1e-6) ** power).mean(axis=(1, 2)) ** (1 / power)
    kernel, bias = (np.asarray(one) for one in model.get_layer("embedding").weights)
    return unit(pooled @ kernel + bias)


@pytest.mark.parametrize(
    ("gem_power", "regional", "power"), [(4.6, False, 4.6), (0.0, True, 3.0), (4.6, True, 4.6)]
)
def test_pooling(gem_power, regional, power):
    model = embedding_model()
    found = pooling_options.with_pooling(model, SIZE, gem_power=gem_power, regional=regional)
    images = photos()
    expected = slow_rows(model, images, power=power, regional=regional)
    np.testing.assert_allclose(found(images), expected, atol=1e-5)
    assert found.input_shape == (None, SIZE, SIZE, 3)
    # The model itself pools as before.
    np.testing.assert_allclose(
        model(images), slow_rows(model, images, power=3.0, regional=False), atol=1e-5
    )


def test_scales():
    model = embedding_model(size=None)
    images = photos()
    sides = (16, SIZE, 28)
    found = pooling_options.with_pooling(model, SIZE, sides=sides)
    scaled = [keras.ops.image.resize(images, (side, side), antialias=True) for side in sides]
    expected = unit(np.max([np.asarray(model(one)) for one in scaled], axis=0))
    np.testing.assert_allclose(found(images), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["onnx", "tflite"])
def test_every_option_converts(kind, tmp_path):
    """Factors below and above 1; `export_file` compares the rows with the model's."""
    from glrtf.inference import formats

    made = pooling_options.with_pooling(
        embedding_model(size=None), SIZE, gem_power=4.6, regional=True, sides=(16, SIZE, 28)
    )
    path = str(tmp_path / f"model.{kind}")
    assert formats.export_file(made, SIZE, path, kind) <= formats.TOLERANCE


def test_a_digest_tells_poolings_apart():
    from glrtf.inference.weights_digest import weights_digest

    model = embedding_model(size=None)
    options = [{}, {"gem_power": 4.6}, {"regional": True}, {"sides": [16]}, {"sides": [16, 20]}]
    made = [pooling_options.with_pooling(model, SIZE, **one) for one in options]
    digests = [weights_digest(one) for one in made]
    assert len(set(digests)) == len(options)
    assert digests[0] == weights_digest(model)


def test_what_cannot_be_pooled():
    with pytest.raises(UserError, match="--scale_gem: expected a backbone that takes any size"):
        pooling_options.with_pooling(embedding_model(), SIZE, sides=[16])
    with pytest.raises(UserError, match=r"found 2 x 2 at 8 pixels; choose larger images"):
        pooling_options.with_pooling(embedding_model(size=None), 8, regional=True)
