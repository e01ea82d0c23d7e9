"""Every head's logits and slopes against float64 arithmetic, a sample and a class at a time."""

import math

import numpy as np
import pytest
import tensorflow as tf

from glrtf.models import heads

CLASSES, DIMENSION, SCALE = 11, 6, 4.0
MARGINS = [0.05 + 0.04 * j for j in range(CLASSES)]
LABELS = [0, 1, 2, 3, 10, 10, 5]
PROGRESS = 0.3
HEADS = {
    "arcface": {"margin": 0.5},
    "class margins": {"margin": MARGINS},
    "subcenter": {"margin": 0.5, "num_centers": 3},
    "curricular": {"margin": 0.5},
}


def reference_logits(kind, x, w):
    """Logits of unit rows x and centres w, both float64."""
    margins = MARGINS if kind == "class margins" else [0.5] * CLASSES
    result = np.empty((len(x), CLASSES))
    for i, label in enumerate(LABELS):
        cosines = [max(x[i] @ c / np.linalg.norm(c) for c in w[j::CLASSES]) for j in range(CLASSES)]
        theta, m = math.acos(cosines[label]), margins[label]
        bent = math.cos(theta + m) if theta + m <= math.pi else cosines[label] - m * math.sin(m)
        if kind == "curricular":
            cosines = [c * (PROGRESS + c) if c > bent else c for c in cosines]
        result[i] = cosines
        result[i, label] = bent
    return SCALE * result


def reference_loss(kind, x, w):
    logits = reference_logits(kind, x, w)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return -np.log(shares[np.arange(len(x)), LABELS]).mean()


def slopes(function, values):
    """Central differences, one number after the other."""
    result = np.empty_like(values)
    for place in np.ndindex(values.shape):
        sides = []
        for step in (1e-6, -1e-6):
            moved = values.copy()
            moved[place] += step
            sides.append(function(moved))
        result[place] = (sides[0] - sides[1]) / 2e-6
    return result


def inputs(kind):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(len(LABELS), DIMENSION))
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    centers = HEADS[kind].get("num_centers", 1)
    return x, rng.normal(size=(centers * CLASSES, DIMENSION)).astype(np.float32)


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("kind", HEADS)
def test_logits_and_slopes_are_those_of_float64(kind, xla):
    x, w = inputs(kind)
    word = kind if kind in ("subcenter", "curricular") else "arcface"
    head = heads.build_head(word, CLASSES, scale=SCALE, **HEADS[kind])
    head.build((None, DIMENSION))
    head.centers.assign(w)
    if kind == "curricular":
        head.progress.assign(PROGRESS)

    @tf.function(autograph=False, jit_compile=xla)
    def run(x, labels):
        with tf.GradientTape() as tape:
            tape.watch(x)
            logits, _ = head(x, labels)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
            loss = tf.reduce_mean(losses)
        return logits, tape.gradient(loss, [x, head.centers.value])

    logits, (to_x, to_w) = run(tf.constant(x), tf.constant(LABELS))
    x64, w64 = x.astype(np.float64), w.astype(np.float64)
    np.testing.assert_allclose(logits, reference_logits(kind, x64, w64), rtol=0, atol=1e-5)
    expected = slopes(lambda w: reference_loss(kind, x64, w), w64)
    np.testing.assert_allclose(to_w, expected, rtol=0, atol=1e-5)
    expected = slopes(lambda x: reference_loss(kind, x, w64), x64)
    np.testing.assert_allclose(to_x, expected, rtol=0, atol=1e-5)
    assert np.abs(expected).max() > 0.05  # Else equality would say nothing.
