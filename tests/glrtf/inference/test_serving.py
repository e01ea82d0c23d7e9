import dataclasses
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from shard_writing import photo
from tiny_runs import write_workdir

from glrtf.inference import serving
from glrtf.inference.embedders import load_embedder
from tfrecords_tools.errors import UserError
from tfrecords_tools.images import ImageSettings, inspect
from tfrecords_tools.storage import files

SIZE = 32


def pixels_of_shards(encoded):
    """A PNG is encoded as a JPEG."""
    built = inspect(encoded, ImageSettings()).encoded
    return tf.io.decode_jpeg(built, channels=3).numpy()


def embedding_by_hand(model, encoded):
    """The definition: what shards hold, decoded, bilinear to the size, round, [0, 1], model."""
    pixels = np.float32(pixels_of_shards(encoded))
    resized = np.round(tf.image.resize(pixels, [SIZE, SIZE]).numpy()) / 255
    return model(np.float32(resized)[None], training=False).numpy()[0]


def test_every_signature_gives_the_models_embedding(saved_model, model):
    loaded = tf.saved_model.load(saved_model)
    files = [photo(1), photo(2, 50, 30, "PNG"), photo(3, 32, 32)]
    expected = np.stack([embedding_by_hand(model, data) for data in files])
    rows = loaded.signatures["serving_default"](encoded=tf.constant(files))["embedding"]
    assert rows.dtype == tf.float32
    np.testing.assert_allclose(rows, expected, atol=1e-6)
    for data, row in zip(files, expected, strict=True):
        pixels = tf.constant(pixels_of_shards(data))
        batch = loaded.signatures["images"](images=tf.stack([pixels, pixels]))["embedding"]
        np.testing.assert_allclose(batch, [row, row], atol=1e-6)
        one = loaded.signatures["global_descriptor"](input_image=pixels)["global_descriptor"]
        np.testing.assert_allclose(one, row, atol=1e-6)


class _Erratic(keras.layers.Layer):
    """Leaves images of the trained size alone, and at others amplifies each rounding."""

    def call(self, x, side):
        return x + tf.sin(1e6 * tf.cast(side - SIZE, tf.float32) * x)


def test_a_model_that_is_erratic_at_other_sizes_is_exported(tmp_path):
    keras.utils.set_random_seed(0)
    images = keras.Input((None, None, 3))
    x = images
    for _ in range(4):
        x = keras.layers.Conv2D(8, 3, padding="same", activation="swish")(x)
        x = keras.layers.BatchNormalization()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = _Erratic()(x, keras.layers.Lambda(lambda image: tf.shape(image)[1])(images))
    model = keras.Model(images, keras.layers.UnitNormalization()(keras.layers.Dense(6)(x)))
    wide = np.random.default_rng(0).random((1, 64, 96, 3)).astype(np.float32)
    traced = tf.function(lambda images: model(images, training=False))(wide)
    assert np.abs(traced - model(wide, training=False)).max() > serving.TOLERANCE
    assert serving.export(model, SIZE, str(tmp_path / "out"), {}) <= serving.TOLERANCE


def test_rows_are_unit_vectors_whatever_the_batch(saved_model):
    call = tf.saved_model.load(saved_model).signatures["serving_default"]
    for count in (1, 5):
        rows = call(encoded=tf.constant([photo(n) for n in range(count)]))["embedding"].numpy()
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), np.ones(count), atol=1e-6)


def test_keras_loads_it_as_a_layer(saved_model, model):
    layer = keras.layers.TFSMLayer(saved_model, call_endpoint="serving_default")
    rows = layer(tf.constant([photo(4)]))["embedding"]
    np.testing.assert_allclose(rows[0], embedding_by_hand(model, photo(4)), atol=1e-6)


def test_it_loads_where_this_project_is_not(saved_model, model, tmp_path):
    """A bare TensorFlow process, isolated from the working folder and its imports."""
    (tmp_path / "photo.jpg").write_bytes(photo(5))
    script = (
        "import sys, tensorflow as tf\n"
        "call = tf.saved_model.load(sys.argv[1]).signatures['serving_default']\n"
        "row = call(encoded=tf.constant([open(sys.argv[2], 'rb').read()]))['embedding'][0]\n"
        "assert 'glrtf' not in sys.modules\n"
        "print(*row.numpy())\n"
    )
    command = [sys.executable, "-I", "-c", script, saved_model, str(tmp_path / "photo.jpg")]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    row = np.array(shown.stdout.split(), np.float32)
    np.testing.assert_allclose(row, embedding_by_hand(model, photo(5)), atol=1e-5)


def test_the_description_next_to_it(saved_model, model):
    info = json.loads((Path(saved_model) / serving.INFO_NAME).read_text())
    assert (info["size"], info["dimension"], info["backbone"]) == (SIZE, 16, "small")
    assert info["model_digest"] == serving.weights_digest(model)
    assert 0 <= info["parity"] <= serving.TOLERANCE


def test_export_replaces_an_export_and_nothing_else(saved_model, model, tmp_path):
    folder = shutil.copytree(saved_model, tmp_path / "out" / "model")
    serving.export(model, SIZE, str(folder), {"run": 2})
    assert json.loads((folder / serving.INFO_NAME).read_text())["run"] == 2
    assert os.listdir(tmp_path / "out") == ["model"]
    other = tmp_path / "photos"
    other.mkdir()
    (other / "mine.jpg").write_bytes(b"x")
    with pytest.raises(UserError, match="expected an export or nothing, found other files"):
        serving.export(model, SIZE, str(other), {})
    assert os.listdir(other) == ["mine.jpg"]


def test_an_export_that_disagrees_is_not_kept(model, tmp_path, monkeypatch):
    """The saved function halves its input: the comparison must see it."""
    honest = serving.ServingModel._embed

    def half(self, images):
        return honest(self, images // 2)

    monkeypatch.setattr(serving.ServingModel, "_embed", half)
    with pytest.raises(ArithmeticError, match="expected embeddings within 1e-05"):
        serving.export(model, SIZE, str(tmp_path / "model"), {})
    assert os.listdir(tmp_path) == []


def test_unit_range_is_exact():
    every = tf.range(256)
    scaled = serving.to_unit_range(tf.cast(every, tf.uint8))
    np.testing.assert_array_equal(scaled, np.arange(256, dtype=np.float32) / np.float32(255))


def test_png_with_transparency_and_gray_jpeg_are_taken(saved_model):
    call = tf.saved_model.load(saved_model).signatures["serving_default"]
    files = []
    for mode, kind in (("RGBA", "PNG"), ("L", "JPEG")):
        buffer = io.BytesIO()
        Image.open(io.BytesIO(photo(1))).convert(mode).save(buffer, kind)
        files.append(buffer.getvalue())
    assert call(encoded=tf.constant(files))["embedding"].shape == (2, 16)


def test_embedders_of_the_export_and_of_the_workdir_agree(tmp_path, monkeypatch):
    """Blocks as in a published network, residual ones too, but 5 of its 21."""
    from glrtf.commands import export
    from glrtf.config.inference import ExportConfig
    from glrtf.models.efficientnet_v2 import VARIANTS

    stages = "r1k3s1e1i32o16c1 r2k3s2e4i16o32c1 r2k3s2e6i32o48se.25"
    monkeypatch.setitem(VARIANTS, "v2b0", dataclasses.replace(VARIANTS["v2b0"], stages=stages))
    workdir = write_workdir(tmp_path, SIZE)
    config = ExportConfig(workdir, str(tmp_path / "export"))
    assert export.export(config).difference <= serving.TOLERANCE
    from_run, from_export = load_embedder(workdir), load_embedder(config.target)
    assert from_run.digest == from_export.digest
    assert (from_run.size, from_run.dimension) == (from_export.size, from_export.dimension)
    images = tf.random.stateless_uniform([2, SIZE, SIZE, 3], [1, 2], 0, 256, tf.int32)
    images = tf.cast(images, tf.uint8)
    np.testing.assert_allclose(from_run.embed(images), from_export.embed(images), atol=1e-5)


def test_an_export_may_pool_otherwise(workdir, tmp_path, monkeypatch):
    """Only the model that would be written is looked at: writing one costs many seconds."""
    from glrtf.commands import export
    from glrtf.config.inference import ExportConfig

    written = []
    monkeypatch.setattr(serving, "export", lambda *arguments: written.append(arguments) or 0.0)
    options = {"gem_power": 4.6, "regional_gem": False, "scale_gem": (1.0, 2.0)}
    export.export(ExportConfig(workdir, str(tmp_path / "export"), **options))
    [(model, spec, _, facts, _)] = written
    assert model.input_shape == (None, SIZE, SIZE, 3) and spec.size == SIZE
    assert facts["pooling"] == options
    # v2b0 at 32 and 64 pixels.
    assert model.get_layer("scale_gem").sides == (32, 64)
    with pytest.raises(ValueError, match=r"gem_power: expected 0, or 1 or more, found 0\.5"):
        ExportConfig(workdir, gem_power=0.5)


def test_command_mistakes_take_one_line(tmp_path, capsys):
    from glrtf.commands import export

    assert export.main(["--workdir", str(tmp_path)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "expected a workdir of glrtf train, found no config.yaml" in line
    assert os.listdir(tmp_path) == []


def test_no_model_there(tmp_path):
    with pytest.raises(UserError, match="found a folder that is none of them"):
        load_embedder(str(tmp_path))
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(UserError, match="expected a SavedModel, found one that TensorFlow"):
        load_embedder(str(tmp_path))


def test_damaged_export(saved_model, tmp_path):
    damaged = shutil.copytree(saved_model, tmp_path / "model")
    (damaged / "saved_model.pb").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"saved_model\.pb: changed since it was written"):
        load_embedder(str(damaged))
    # Without digests, as in old exports, TensorFlow itself reports damage.
    info = {"size": SIZE, "dimension": 8, "model_digest": "0" * 64}
    (damaged / serving.INFO_NAME).write_text(json.dumps(info))
    with pytest.raises(UserError, match="cannot be loaded"):
        load_embedder(str(damaged))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("size", odd) for odd in (0, -1, 10**9)],
        *[("max_side", odd) for odd in (0, -1, 10**9)],
        *[("model_digest", odd) for odd in ("", "text")],
        ("dimension", 9),
    ],
)
def test_exports_with_nonsense_are_refused(saved_model, tmp_path, key, value):
    odd = shutil.copytree(saved_model, tmp_path / "model")
    path = str(odd / serving.INFO_NAME)
    files.write_json(path, {**files.read_json(path), key: value})
    with pytest.raises(UserError, match=rf"{key}.*found .*{value}.*; export it again"):
        load_embedder(str(odd))
