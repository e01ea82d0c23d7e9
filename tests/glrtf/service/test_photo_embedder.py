"""Photos embedded in Python, and the other functions of the interface that load TensorFlow."""

from pathlib import Path

import numpy as np
import pytest

import glrtf
from tfrecords_tools import images
from tfrecords_tools.images import ImageSettings


@pytest.fixture(scope="module")
def embedder(world):
    return glrtf.load_embedder(world.model)


def test_rows_are_those_of_the_set(world, embedder):
    known = glrtf.open_set(world.test)
    rows = embedder.embed(world.photos)
    assert rows.dtype == np.float32 and rows.shape == (4, embedder.dimension)
    assert embedder.digest == known.meta["model_digest"]
    of_photos = np.argsort(known.ids)  # The id of photo n is n.
    np.testing.assert_allclose(rows, known.take(of_photos), atol=1e-5)


def test_files_bytes_and_pixels_give_the_same(world, embedder):
    contents = [Path(path).read_bytes() for path in world.photos]
    rows = embedder.embed(world.photos)
    np.testing.assert_array_equal(embedder.embed(contents), rows)
    pixels = [images.upright_pixels(data, ImageSettings()) for data in contents]
    assert pixels[0].shape == (24, 40, 3)
    np.testing.assert_array_equal(embedder.embed(pixels), rows)


def test_more_photos_than_a_batch_and_none(world, embedder):
    # Batches of other lengths sum in another order.
    many = embedder.embed(world.photos * 9)
    np.testing.assert_allclose(many, np.tile(embedder.embed(world.photos), (9, 1)), atol=1e-5)
    assert embedder.embed([]).shape == (0, embedder.dimension)


@pytest.mark.parametrize(
    ("photo", "message"),
    [
        ("none.jpg", "none.jpg: no such file"),
        (b"no image", "photo 1: expected a photo, found an unusable file: not an image"),
        (np.zeros((4, 4, 3)), r"photo 1: expected uint8 \(height, width, 3\), found float64"),
        (np.zeros((0, 4, 3), np.uint8), r"photo 1: expected uint8 .* \(0, 4, 3\)"),
    ],
)
def test_what_is_no_photo_is_named(world, embedder, photo, message):
    with pytest.raises(glrtf.UserError, match=message):
        embedder.embed([world.photos[0], photo])


def test_what_is_no_model_is_named(tmp_path):
    with pytest.raises(glrtf.UserError, match=f"{tmp_path}/none"):
        glrtf.load_embedder(tmp_path / "none")
    with pytest.raises(glrtf.UserError, match="tta: expected some of plain, hflip"):
        glrtf.load_embedder(tmp_path / "none", tta=["vflip"])


def test_shards_are_read_in_order_and_shuffled(world):
    shards = world.folder / "shards"
    batches = list(glrtf.read_shards(shards, "train", size=16, batch_size=8))
    assert [tuple(batch["image"].shape) for batch in batches] == [(8, 16, 16, 3), (4, 16, 16, 3)]
    ids = [one.decode() for batch in batches for one in batch["image_id"].numpy()]
    assert sorted(ids) == [f"{number:016x}" for number in range(12)]
    training = glrtf.read_shards(shards, size=16, batch_size=8, training=True, seed=3)
    seen = [labels.numpy() for _, labels in training.take(3)]
    # Two epochs of 12 images: each label of 4 comes 6 times.
    assert np.bincount(np.concatenate(seen)).tolist() == [6, 6, 6, 6]


def test_a_model_and_a_head_are_built():
    import tensorflow as tf

    model = glrtf.build_model("EfficientNetV2B0", 32, embedding_dim=8)
    rows = model(tf.zeros((2, 32, 32, 3)))
    assert rows.shape == (2, 8)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    head = glrtf.ArcFaceHead(5, margin=0.5)
    logits, cosines = head(rows, tf.constant([0, 1]))
    assert logits.shape == cosines.shape == (2, 5)
    with pytest.raises(ValueError, match="expected one of v2s"):
        glrtf.build_model("v3", 32)
