import math

import numpy as np
import pytest
import tensorflow as tf

from glrtf.models import heads, margins


def reference_logits(embeddings, weights, labels, scale, margin):
    """ArcFace in float64, one sample and class at a time."""
    result = np.empty((len(embeddings), len(weights)))
    for i, x in enumerate(embeddings.astype(np.float64)):
        for j, w in enumerate(weights.astype(np.float64)):
            theta = math.acos(min(1.0, max(-1.0, x @ w / np.linalg.norm(w))))
            if j == labels[i]:
                bent = (
                    math.cos(theta + margin)
                    if theta + margin <= math.pi
                    else math.cos(theta) - margin * math.sin(margin)
                )
            else:
                bent = math.cos(theta)
            result[i, j] = scale * bent
    return result


def unit_rows(rng, count, dimension):
    rows = rng.normal(size=(count, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def built_head(weights, **arguments):
    head = heads.ArcFaceHead(len(weights), **arguments)
    head.build((None, weights.shape[1]))
    head.centers.assign(weights)
    return head


@pytest.mark.parametrize("margin", [0.0, 0.3, 0.6])
def test_arcface_equals_the_float64_reference(margin):
    rng = np.random.default_rng(1)
    x, w = unit_rows(rng, 16, 8), rng.normal(size=(11, 8)).astype(np.float32)
    labels = rng.integers(0, 11, 16).astype(np.int32)
    logits, cosines = built_head(w, scale=30.0, margin=margin)(x, labels)
    np.testing.assert_allclose(
        logits / 30, reference_logits(x, w, labels, 1, margin), rtol=0, atol=1e-5
    )
    np.testing.assert_allclose(cosines, reference_logits(x, w, labels, 1, 0), rtol=0, atol=1e-6)


def test_beyond_pi_the_second_branch_holds_and_stays_monotonic():
    # θ from 0 to π, m = 0.6: the bent cosine must fall all the way.
    theta = np.linspace(0.01, math.pi - 0.01, 400)
    bent = margins.add_angular_margin(tf.constant(np.cos(theta), tf.float32), 0.6).numpy()
    assert (np.diff(bent) < 0).all()
    # cos 3 − 0.6 · sin 0.6 = −0.98999 − 0.33879.
    last = margins.add_angular_margin(tf.constant([math.cos(3.0)]), 0.6)
    assert last.numpy()[0] == pytest.approx(-1.32878, abs=1e-5)


@pytest.mark.parametrize("cosine", [1.0, -1.0, 1.0 + 1e-7])
def test_slopes_are_finite_at_the_ends(cosine):
    value = tf.constant([cosine], tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(value)
        bent = margins.add_angular_margin(value, 0.6)
    assert np.isfinite(tape.gradient(bent, value).numpy()).all()


def test_bfloat16_embeddings_give_float32_logits_and_finite_gradients():
    rng = np.random.default_rng(3)
    w = unit_rows(rng, 5, 8)
    x = tf.cast(tf.constant(w[:3]), tf.bfloat16)  # On their class centres: cos θ ≈ 1.
    head = built_head(w, scale=30.0, margin=0.6)
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits, _ = head(x, tf.constant([0, 1, 2]))
        loss = tf.reduce_sum(logits)
    assert logits.dtype == tf.float32
    assert np.isfinite(tf.cast(tape.gradient(loss, x), tf.float32).numpy()).all()


def test_labels_above_256_survive():
    # In bfloat16, 257 would round to 256.
    w = np.eye(300, dtype=np.float32)
    logits, _ = built_head(w, scale=1.0, margin=0.5)(w[257:258], tf.constant([257]))
    # θ = 0 → cos 0.5 at the true class, less sin 0.5 times what the sine is there. It is
    # √1e-7 or, with a cosine that processors round to within 4 · 2^-24 of 1, up to √(8 · 2^-24).
    most = math.sin(0.5) * math.sqrt(8 * 2**-24)
    assert logits[0, 257].numpy() == pytest.approx(math.cos(0.5), abs=most)
    assert logits[0, 256].numpy() == pytest.approx(0.0, abs=1e-6)


def test_subcenter_takes_the_nearest_centre_of_each_class():
    # Two centres for each of two classes, centre-major: first (e0, e1), then (e2, e1).
    w = np.eye(3, dtype=np.float32)[[0, 1, 2, 1]]
    head = heads.ArcFaceHead(2, scale=1.0, margin=0.0, num_centers=2)
    head.build((None, 3))
    head.centers.assign(w)
    x = np.float32([[0.6, 0.0, 0.8]])
    _, cosines = head(x, tf.constant([0]))
    np.testing.assert_allclose(cosines, [[0.8, 0.0]], atol=1e-6)


def test_a_margin_per_class_is_that_of_the_label():
    w = np.eye(2, dtype=np.float32)
    x = np.float32([[0.8, 0.6], [0.8, 0.6]])
    logits, _ = built_head(w, scale=1.0, margin=[0.1, 0.4])(x, tf.constant([0, 1]))
    expected = [math.cos(math.acos(0.8) + 0.1), math.cos(math.acos(0.6) + 0.4)]
    np.testing.assert_allclose([logits[0, 0], logits[1, 1]], expected, atol=1e-6)


def test_margins_fall_with_the_count_by_its_fourth_root():
    # 1 → 1, 16 → 1/2, 256 → 1/4: m = 0.05 + 0.45 · (p − 1/4) / (3/4).
    assert margins.margins_from_counts([1, 16, 256]) == pytest.approx([0.5, 0.2, 0.05])
    assert margins.margins_from_counts([7, 7]) == [0.5, 0.5]


def test_curricular_face_raises_hard_negatives_by_its_progress():
    w = np.eye(2, dtype=np.float32)
    head = heads.CurricularFaceHead(2, scale=1.0, margin=0.5)
    head.build((None, 2))
    head.centers.assign(w)
    head.progress.assign(0.25)
    # cos θ of the true class 0.6 → cos(acos 0.6 + 0.5) = 0.14301; the negative 0.8 is above it:
    # 0.8 · (0.25 + 0.8) = 0.84.
    logits, _ = head(np.float32([[0.6, 0.8]]), tf.constant([0]))
    np.testing.assert_allclose(logits, [[0.14301, 0.84]], atol=1e-5)
    # In training the average moves first: 0.99 · 0.25 + 0.01 · 0.6 = 0.2535.
    head(np.float32([[0.6, 0.8]]), tf.constant([0]), training=True)
    assert head.progress.numpy() == pytest.approx(0.2535)


def test_a_mixed_image_has_the_losses_of_both_labels_by_their_shares():
    rng = np.random.default_rng(5)
    w, x = rng.normal(size=(6, 4)).astype(np.float32), unit_rows(rng, 3, 4)
    labels, share = np.int32([0, 2, 5]), np.float32([0.25, 0.75, 1.0])
    head = built_head(w, scale=8.0, margin=0.3)
    # Partners 1, 2, 0 of the batch: labels 2, 5, 0.
    got, right = head.losses(x, labels, (tf.constant([1, 2, 0]), share))
    own, _ = head.losses(x, labels)
    others, _ = head.losses(x, labels[[1, 2, 0]])
    np.testing.assert_allclose(got, share * own + (1 - share) * others, rtol=1e-6)
    logits = reference_logits(x, w, labels, 8.0, 0.3)
    expected = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(3), labels]
    np.testing.assert_allclose(own, expected, rtol=1e-5)
    # Right is the label of the larger share: 2 (the partner's), 2, 5.
    nearest = np.argmax(head.cosine(x), axis=1)
    np.testing.assert_array_equal(right, nearest == [2, 2, 5])


def test_curricular_moves_its_progress_once_a_batch_though_images_are_mixed():
    head = heads.build_head("curricular", 2, scale=1.0, margin=0.5)
    head.build((None, 2))
    head.centers.assign(np.eye(2, dtype=np.float32))
    head.losses(
        np.float32([[0.6, 0.8]]), tf.constant([0]), (tf.constant([0]), tf.constant([0.5])), True
    )
    assert head.progress.numpy() == pytest.approx(0.006)  # 0.01 · 0.6.


def test_wrong_kinds_and_counts_are_refused():
    with pytest.raises(ValueError, match="found 'cosface'"):
        heads.build_head("cosface", 3, scale=30.0, margin=0.5)
    with pytest.raises(ValueError, match="expected 3 values, found 2"):
        heads.build_head("arcface", 3, scale=30.0, margin=[0.1, 0.2])


@pytest.mark.parametrize("kind", ["arcface", "subcenter", "curricular"])
@pytest.mark.parametrize("mixed", [False, True])
def test_images_without_label_have_no_loss_and_change_nothing(kind, mixed):
    rng = np.random.default_rng(4)
    x, labels = unit_rows(rng, 6, 8), np.array([2, -1, 0, 4, -1, 2], np.int32)
    known = labels >= 0
    pairing = None
    if mixed:  # With a partner that has a label too if they do.
        share = np.array([0.75, 0.25, 0.4, 1, 0.5, 0.75], np.float32)
        pairing = (np.array([2, 4, 3, 5, 1, 0], np.int32), share)

    def made(unlabelled):
        head = heads.build_head(kind, 5, scale=8.0, margin=0.3, seed=1)
        head.build((None, 8))
        head.unlabelled = unlabelled
        return head

    head, reference = made(True), made(False)
    losses, right = head.losses(x, labels, pairing, training=True)
    if mixed:  # The same partners, counted among the four.
        pairing = (np.array([1, 2, 3, 0], np.int32), share[known])
    expected, hits = reference.losses(x[known], labels[known], pairing, training=True)
    np.testing.assert_allclose(np.asarray(losses)[known], expected, rtol=1e-5)
    assert not np.asarray(losses)[~known].any()
    assert np.mean(right) == pytest.approx(np.mean(hits), abs=1e-6)
    for ours, theirs in zip(head.weights, reference.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_a_labelled_image_mixed_with_one_without_has_its_share_of_the_loss():
    x, labels = unit_rows(np.random.default_rng(5), 2, 8), np.array([1, -1], np.int32)
    head = heads.build_head("arcface", 3, scale=8.0, margin=0.3)
    head.build((None, 8))
    head.unlabelled = True
    alone, _ = head.losses(x, labels)
    mixed, _ = head.losses(x, labels, (np.array([1, 0], np.int32), np.float32([0.75, 0.5])))
    # 0.75 of its own loss and nothing of the other's; for the second half of a label 1 loss.
    assert float(mixed[0]) == pytest.approx(0.75 * float(alone[0]), rel=1e-6)
    second, _ = head.losses(x[1:], np.array([1], np.int32))
    assert float(mixed[1]) == pytest.approx(0.5 * float(second[0]), rel=1e-5)


def test_a_batch_without_labels_leaves_the_curriculum_where_it_is():
    head = heads.build_head("curricular", 3, scale=8.0, margin=0.3)
    head.build((None, 8))
    head.unlabelled = True
    head.progress.assign(0.25)
    x = unit_rows(np.random.default_rng(6), 2, 8)
    losses, right = head.losses(x, np.array([-1, -1], np.int32), training=True)
    assert not np.asarray(losses).any() and not np.asarray(right).any()
    assert float(head.progress) == pytest.approx(0.25)
