"""A model whose shards were built with --max_side sees photos shrunk by every command."""

import dataclasses
import io
import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tiny_models import EMBEDDING_SIZE as SIZE

from glrtf.commands import embed, export
from glrtf.config.inference import EmbedConfig, ExportConfig
from glrtf.data import decoding
from glrtf.data.input_spec import InputSpec
from glrtf.inference import serving
from glrtf.inference.embedders import load_embedder
from glrtf.inference.shrinking import shrink
from glrtf.service.photo_input import PhotoReader
from glrtf.training import checkpoints
from tfrecords_tools import images
from tfrecords_tools.command import cli
from tfrecords_tools.images import ImageSettings
from tfrecords_tools.storage import files

MAX_SIDE = 120


def detailed(height=260, width=388, seed=0):
    """Small squares, which plain bilinear sees otherwise than Lanczos; sides multiples of 4.

    Gray: the builder's JPEG loses colours of such squares, which the exported graph keeps.
    """
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (height // 4, width // 4, 1), dtype=np.uint8)
    return np.repeat(np.repeat(np.repeat(coarse, 4, axis=0), 4, axis=1), 3, axis=2)


def encoded(picture, kind="JPEG", **settings):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind, **settings)
    return buffer.getvalue()


def train_side(data, antialias=False):
    """The definition: what the builder stores with --max_side, decoded and resized."""
    built = images.inspect(data, ImageSettings(max_side=MAX_SIDE))
    pixels = decoding.decode_on_host(built.encoded)
    assert max(pixels.shape) <= MAX_SIDE
    return decoding.resize(tf.constant(pixels), SIZE, antialias).numpy()


@pytest.mark.parametrize("max_side", [17, 120, 800])
def test_sides_are_pillows(max_side):
    generator = np.random.default_rng(0)
    for height, width in generator.integers(1, 2000, (60, 2)):
        picture = Image.new("L", (int(width), int(height)))
        picture.thumbnail((max_side, max_side))
        empty = tf.zeros([int(height), int(width), 3], tf.uint8)
        assert shrink(empty, max_side).shape[:2] == picture.size[::-1]


def test_the_graph_shrinks_as_pillow_does():
    # Less than four times too long: from there on Pillow first averages whole blocks.
    picture = detailed(260, 440)
    expected = Image.fromarray(picture)
    expected.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    found = shrink(tf.constant(picture), MAX_SIDE).numpy().astype(int)
    difference = np.abs(found - np.asarray(expected))
    # Pillow computes in fixed point: now and then it rounds a half the other way.
    assert difference.max() <= 1 and difference.mean() < 0.01


def test_shorter_photos_are_left_alone():
    picture = tf.constant(detailed(100, MAX_SIDE))
    np.testing.assert_array_equal(shrink(picture, MAX_SIDE), picture)
    np.testing.assert_array_equal(shrink(picture, None), picture)
    data = encoded(picture.numpy())
    assert images.shrink(data, MAX_SIDE) is data
    assert images.shrink(data, None) is data


@pytest.fixture(scope="module", params=[False, True], ids=["bilinear", "antialias"])
def exported(request, model, tmp_path_factory):
    """An export of a run on shards of MAX_SIDE."""
    folder = str(tmp_path_factory.mktemp("shrinking") / "model")
    serving.export(model, InputSpec(SIZE, MAX_SIDE, request.param), folder, {"backbone": "small"})
    return folder, request.param


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_photo_folders_search_and_serve_see_the_train_sides_pixels(exported, model, tmp_path, kind):
    folder, antialias = exported
    (tmp_path / "photos").mkdir()
    data = [encoded(detailed(seed=seed), kind) for seed in range(3)]
    for number, each in enumerate(data):
        (tmp_path / "photos" / f"{number}.{kind.lower()}").write_bytes(each)
    pixels = np.stack([train_side(each, antialias) for each in data])

    read = PhotoReader(load_embedder(folder).spec())
    np.testing.assert_array_equal(np.stack([read(each) for each in data]), pixels)

    config = EmbedConfig(
        folder, str(tmp_path / "photos"), str(tmp_path / "set"), tta=("plain",), batch_size=2
    )
    found = embed.embed(config).set
    expected = model(pixels.astype(np.float32) / 255, training=False)
    np.testing.assert_allclose(found.part(0)[0], expected, atol=1e-5)
    assert found.meta["max_side"] == MAX_SIDE and found.meta["antialias"] is antialias


def test_the_signatures_shrink_first(exported, model):
    folder, antialias = exported
    data = encoded(detailed())
    loaded = tf.saved_model.load(folder).signatures
    expected = model(train_side(data, antialias)[None] / np.float32(255), training=False)[0]
    at_once = decoding.resize(decoding.decode(data), SIZE, antialias).numpy()
    plain = model(at_once[None] / np.float32(255), training=False)[0]
    pixels = decoding.decode(data)
    for row in (
        loaded["serving_default"](encoded=tf.constant([data]))["embedding"][0],
        loaded["images"](images=pixels[None])["embedding"][0],
        loaded["global_descriptor"](input_image=pixels)["global_descriptor"],
    ):
        assert np.linalg.norm(row - expected) < 0.1
        if not antialias:  # Bilinear at once gives another embedding.
            assert np.linalg.norm(row - expected) < np.linalg.norm(plain - expected) / 3


def test_shards_of_longer_photos_are_shrunk_too(exported, model, tmp_path):
    from shard_writing import write_shard

    from tfrecords_tools import schema

    folder, antialias = exported
    (tmp_path / "shards").mkdir()
    data = [encoded(detailed(seed=seed)) for seed in range(2)]
    write_shard(
        tmp_path / "shards" / "test-00000-of-00001.tfrec",
        [schema.encode_example(e, f"{n:016x}", -1, -1, 260, 388) for n, e in enumerate(data)],
    )
    config = EmbedConfig(
        folder, str(tmp_path / "shards"), str(tmp_path / "set"), tta=("plain",), batch_size=2
    )
    pixels = np.stack([train_side(each, antialias) for each in data])
    expected = model(pixels.astype(np.float32) / 255, training=False)
    np.testing.assert_allclose(embed.embed(config).set.part(0)[0], expected, atol=1e-5)


def test_an_export_and_its_workdir_agree_on_max_side(workdir, tmp_path):
    """From the run's config.yaml to the export's description and to both embedders."""
    config = checkpoints.read_config(workdir)
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    for name in files.list_names(f"{workdir}/checkpoints"):
        (run / "checkpoints" / name).write_bytes(files.read_bytes(f"{workdir}/checkpoints/{name}"))
    read = dataclasses.replace(config.input, max_side=MAX_SIDE, antialias=True)
    (run / "config.yaml").write_text(cli.to_yaml(dataclasses.replace(config, input=read)))
    target = str(tmp_path / "export")
    export.export(ExportConfig(str(run), target))
    assert load_embedder(target).spec() == load_embedder(str(run)).spec()
    assert load_embedder(target).spec() == InputSpec(SIZE, MAX_SIDE, True)


def test_exports_of_earlier_versions_resize_at_once(saved_model, tmp_path):
    import shutil

    folder = shutil.copytree(saved_model, tmp_path / "old")
    info = json.loads((folder / serving.INFO_NAME).read_text())
    for name in ("max_side", "antialias", "json_crc32c"):
        info.pop(name, None)
    (folder / serving.INFO_NAME).write_text(json.dumps(info))
    assert load_embedder(str(folder)).spec() == InputSpec(SIZE)
