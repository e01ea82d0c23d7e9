import numpy as np
import pytest
import tensorflow as tf
from tiny_models import tiny_model

from glrtf.config.distillation import DistillConfig
from glrtf.models.distillation import Distillation
from glrtf.models.heads import build_head
from glrtf.models.retrieval_model import RetrievalModel

ROWS = np.array([[0.6, 0.8], [1.0, 0.0]], np.float32)
OURS = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)


def layer(**settings):
    width, dimension = settings.pop("width", 2), settings.pop("dimension", 2)
    made = Distillation(DistillConfig(rows="set", **settings), width, dimension)
    made.built = True
    return made


def test_cosine_is_one_minus_the_cosine():
    # Cosines 0.6 and 0.
    np.testing.assert_allclose(layer()(OURS, ROWS), [0.4, 1.0], rtol=1e-6)


def test_l2_is_the_squared_distance():
    # 0.4² + 0.8² and 1² + 1².
    np.testing.assert_allclose(layer(loss="l2")(OURS, ROWS), [0.8, 2.0], rtol=1e-6)


def test_a_mixed_image_has_the_distances_to_both_rows():
    pairing = (np.array([1, 0], np.int32), np.array([0.75, 0.5], np.float32))
    # Of the first photo to its own row 0.4, to the other's 0; of the second 1 and 1 - 0.8.
    expected = [0.75 * 0.4 + 0.25 * 0.0, 0.5 * 1.0 + 0.5 * 0.2]
    np.testing.assert_allclose(layer()(OURS, ROWS, pairing), expected, rtol=1e-6)


def test_pca_maps_the_rows_and_trains_nothing():
    made = layer(width=3)
    made.project_rows(np.array([[1.0, 0], [0, 2.0], [0, 0]]), np.array([0.0, -1.0]))
    rows = np.array([[0.6, 0.8, 0.0]], np.float32)
    # (0.6, 2 · 0.8 - 1) = (0.6, 0.6), whose direction has the cosine √½ with (1, 0).
    np.testing.assert_allclose(made(OURS[:1], rows), [1 - 0.5**0.5], rtol=1e-6)
    assert not made.trainable_variables
    assert [v.name for v in made.weights] == ["kernel", "bias"]


def test_a_learned_projection_maps_the_embeddings_and_is_trained():
    made = layer(width=3, projection="learned", loss="l2")
    made.kernel.assign([[1.0, 2.0, 0.0], [0.0, 0.0, 3.0]])
    made.bias.assign([0.0, 0.0, 0.5])
    rows = np.array([[0.0, 0.0, 1.0]], np.float32)
    # (1, 2, 0.5) against (0, 0, 1).
    np.testing.assert_allclose(made(OURS[:1], rows), [1 + 4 + 0.25], rtol=1e-6)
    assert len(made.trainable_variables) == 2


@pytest.mark.parametrize(
    ("width", "dimension", "expected"), [(4, 4, "none"), (5, 4, "pca"), (3, 4, "learned")]
)
def test_the_projection_follows_the_lengths(width, dimension, expected):
    assert DistillConfig().projection_of(width, dimension) == expected


@pytest.mark.parametrize(("projection", "width"), [("none", 5), ("none", 3), ("pca", 3)])
def test_a_projection_that_does_not_fit_is_refused(projection, width):
    with pytest.raises(ValueError, match=f"projection: expected .* rows of {width} numbers"):
        DistillConfig(projection=projection).projection_of(width, 4)


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"weight": 0.0}, "weight: expected more than 0"),
        ({"label_weight": -1.0}, "label_weight: expected 0 or more"),
        ({"extra_data": ["a"]}, "extra_rows: expected it together with --distill.extra_data"),
        ({"extra_rows": ["a"]}, "extra_data: expected it together with --distill.extra_rows"),
        ({"extra_data": ["a"], "extra_rows": ["b"]}, "rows: expected those of the train photos"),
    ],
)
def test_weights_out_of_range_are_refused(settings, part):
    with pytest.raises(ValueError, match=part):
        DistillConfig(**settings)


def gradients(label_weight):
    """Losses with and without distances, and the gradients of their sum."""
    plain = tiny_model()
    made = Distillation(DistillConfig(rows="set", weight=4.0, label_weight=label_weight), 6, 6)
    head = build_head("arcface", 5, scale=8.0, margin=0.3, seed=3)  # That of `tiny_model`.
    model = RetrievalModel(tiny_model().embedding_model, head, distillation=made)
    rng = np.random.default_rng(0)
    images = tf.constant(rng.random((3, 6, 6, 3)), tf.float32)
    labels = tf.constant([0, 3, 1])
    rows = rng.normal(size=(3, 6)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    embeddings = plain.embedding_model(images)
    alone, _ = plain.head.losses(embeddings, labels)
    distances = 1 - np.sum(embeddings * rows, axis=1)
    with tf.GradientTape() as tape:
        losses, _ = model(images, labels, rows=rows)
        total = tf.reduce_sum(losses)
    return alone.numpy(), distances, losses.numpy(), tape.gradient(total, model.trainable_variables)


def test_the_loss_is_the_weighted_sum():
    alone, distances, losses, _ = gradients(0.5)
    np.testing.assert_allclose(losses, 0.5 * alone + 4.0 * distances, rtol=1e-5)


def test_without_label_weight_labels_move_only_the_head():
    *_, moved = gradients(0.0)
    plain = tiny_model()
    rng = np.random.default_rng(0)
    images = tf.constant(rng.random((3, 6, 6, 3)), tf.float32)
    rows = rng.normal(size=(3, 6)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    with tf.GradientTape() as tape:
        cosines = tf.reduce_sum(plain.embedding_model(images) * rows, axis=1)
        total = 4.0 * tf.reduce_sum(1 - cosines)
    expected = tape.gradient(total, plain.embedding_model.trainable_variables)
    for found, wanted in zip(moved, expected, strict=False):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    assert np.abs(moved[-1]).max() > 0  # The head's centres.
