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
from glrtf.service.photo_input import PhotoReader
from glrtf.training import checkpoints
from tfrecords_tools import images
from tfrecords_tools.command import cli
from tfrecords_tools.images import ImageSettings
from tfrecords_tools.storage import files

MAX_SIDE = 120


def detailed(height=260, width=388, seed=0):
    """Small squares, which plain bilinear sees otherwise than Lanczos; sides multiples of 4."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
    return np.repeat(np.repeat(coarse, 4, axis=0), 4, axis=1)


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
    pixels = decoding.decode(data, exactly=True)
    for row in (
        loaded["serving_default"](encoded=tf.constant([data]))["embedding"][0],
        loaded["images"](images=pixels[None])["embedding"][0],
        loaded["global_descriptor"](input_image=pixels)["global_descriptor"],
    ):
        # Pillow's fixed point rounds a few halves the other way.
        assert np.linalg.norm(row - expected) < 0.02
        if not antialias:  # Bilinear at once gives another embedding.
            assert np.linalg.norm(row - expected) < np.linalg.norm(plain - expected) / 10


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
