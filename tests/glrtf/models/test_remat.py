import re

import numpy as np
import pytest
import tensorflow as tf

from glrtf.models import backbones, efficientnet_v2, kernels
from glrtf.models.heads import build_head
from glrtf.models.retrieval_model import RetrievalModel, build_embedding_model
from glrtf.training.accumulation import TrainStep, statistics
from glrtf.training.optimizers import Updater

# Three blocks: fused and not, with and without a residual.
STAGES = "r2k3s2e4i8o8c1 r1k3s1e4i8o8se.25"


@pytest.fixture(autouse=True)
def small_backbone(monkeypatch):
    monkeypatch.setattr(backbones, "BACKBONES", ("small",))
    monkeypatch.setitem(efficientnet_v2.VARIANTS, "small", efficientnet_v2.Variant(STAGES))


def model_of(again, precision="float32"):
    embedding = build_embedding_model(
        "small", 32, embedding_dim=8, dropout=0.3, drop_connect_rate=0.5, precision=precision
    )
    return RetrievalModel(embedding, build_head("arcface", 5, scale=8.0, margin=0.3), again)


def batch():
    rng = np.random.default_rng(0)
    return tf.constant(rng.integers(0, 256, (8, 32, 32, 3)), tf.uint8), tf.range(8) % 5


def trained(again, *, precision, steps):
    """Model and metrics after two updates."""
    model = model_of(again, precision)
    step = TrainStep(
        model,
        Updater("sgd", 0.1, model.trainable_variables),
        accumulation_steps=steps,
        prepare=lambda images, replica, number: (tf.cast(images, tf.float32) / 255.0, None),
    )
    run = tf.function(step, autograph=False, jit_compile=False)
    metrics = [run(*batch()).numpy() for _ in range(2)]
    return model, metrics


@pytest.mark.parametrize(
    ("precision", "steps"),
    # The same operations in the same order: bfloat16 rounds alike.
    [("float32", 2), ("mixed_bfloat16", 1)],
)
def test_updates_are_those_of_kept_activations(precision, steps):
    # Dropout and stochastic depth draw alike, and statistics move once, or weights would differ.
    kept, kept_metrics = trained(False, precision=precision, steps=steps)
    again, again_metrics = trained(True, precision=precision, steps=steps)
    np.testing.assert_allclose(again_metrics, kept_metrics, rtol=1e-6)
    assert_same_weights(again, kept)
    moved = zip(statistics(kept), statistics(model_of(False)), strict=True)
    assert max(np.abs(a.numpy() - b.numpy()).max() for a, b in moved) > 1e-2


def assert_same_weights(model, other, tolerance=1e-6):
    assert [v.path for v in model.weights] == [v.path for v in other.weights]
    for ours, theirs in zip(model.weights, other.weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=0, atol=tolerance)


def test_inference_is_that_of_the_model_itself():
    model = model_of(True)
    images = tf.cast(batch()[0], tf.float32) / 255.0
    np.testing.assert_array_equal(model._embed(images), model.embedding_model(images))


def test_xla_does_not_find_the_second_run_equal_to_the_first():
    def products(rematerialised):
        def run(x, weights):
            return (x @ weights[0]) @ weights[1], []

        @tf.function(autograph=False, jit_compile=True)
        def gradients(x, *weights):
            with tf.GradientTape() as tape:
                tape.watch([x, *weights])
                if rematerialised:
                    result, _ = kernels.rematerialise(run, x, weights)
                else:
                    result, _ = run(x, weights)
                result = tf.tanh(result)
            return tape.gradient(result, [x, *weights])

        values = [tf.random.stateless_normal((9, 9), (1, n)) for n in range(3)]
        program = gradients.experimental_get_compiler_ir(*values)(stage="optimized_hlo")
        return gradients(*values), len(re.findall(r'op_type="MatMul"', program))

    (kept, count), (again, count_again) = products(False), products(True)
    # Two forward, four backward, each counted as often; the first forward one is run again.
    assert count > 0
    assert count_again == count * 7 / 6
    for ours, theirs in zip(again, kept, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
