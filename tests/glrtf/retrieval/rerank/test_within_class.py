"""Whitening by landmarks: against a slow version by hand, and what it does for other landmarks."""

import numpy as np
import pytest

from glrtf.embeddings.concatenated_rows import ConcatenatedRows
from glrtf.embeddings.rows import ArrayRows, normalized
from glrtf.evaluation import held_out_landmarks
from glrtf.retrieval.rerank import within_class
from tfrecords_tools.errors import UserError


def made_rows(landmarks=12, photos=8, dimension=10, seed=0):
    """Photos of a landmark differ in the first directions alone, which say nothing of it."""
    draw = np.random.default_rng(seed)
    labels = np.repeat(np.arange(landmarks) * 7 + 3, photos)
    centers = np.repeat(draw.normal(size=(landmarks, dimension)), photos, axis=0)
    noise = draw.normal(size=centers.shape) * np.where(np.arange(dimension) < 4, 3.0, 0.1)
    order = draw.permutation(len(labels))
    return normalized(centers + noise)[order], labels[order]


def slowly(rows, labels, shrinkage):
    mean = rows.mean(axis=0)
    within = np.zeros((rows.shape[1],) * 2)
    for label in set(labels.tolist()):
        own = rows[labels == label]
        for row in own:
            within += np.outer(row - own.mean(axis=0), row - own.mean(axis=0))
    within /= len(rows) - len(set(labels.tolist()))
    level = np.trace(within) / len(within)
    within = (1 - shrinkage) * within + shrinkage * level * np.eye(len(within))
    return mean, np.linalg.inv(within)


@pytest.mark.parametrize("shrinkage", [0.0, 0.5, 1.0])
def test_products_are_those_of_the_inverse_covariance(monkeypatch, shrinkage):
    monkeypatch.setattr(within_class, "_ROWS_AT_ONCE", 16)
    rows, labels = made_rows()
    source = ConcatenatedRows([ArrayRows(rows[:30], "a"), ArrayRows(rows[30:], "b")])
    fitted = within_class.fit_within_class(source, labels, shrinkage=shrinkage)
    mean, inverse = slowly(rows, labels, shrinkage)
    products = (rows - mean) @ inverse @ (rows - mean).T
    lengths = np.sqrt(np.diag(products))
    found = fitted.apply(rows).astype(np.float64)
    np.testing.assert_allclose(found @ found.T, products / np.outer(lengths, lengths), atol=2e-5)
    weight, bias = fitted.as_layer()
    np.testing.assert_allclose(normalized(rows @ weight + bias), found, atol=1e-4)


def test_the_centre_of_the_landmarks_is_not_that_of_the_photos():
    rows, labels = made_rows()
    few = labels > 20  # One landmark keeps all photos, the others lose half.
    few[few] = np.arange(few.sum()) % 2 == 0
    rows, labels = rows[~few], labels[~few]
    of_photos = within_class.fit_within_class(ArrayRows(rows), labels, shrinkage=0.5)
    fitted = within_class.fit_within_class(
        ArrayRows(rows), labels, shrinkage=0.5, center="landmarks"
    )
    means = [rows[labels == label].mean(axis=0) for label in set(labels.tolist())]
    np.testing.assert_allclose(fitted.mean, np.mean(means, axis=0), atol=1e-6)
    assert np.abs(fitted.mean - of_photos.mean).max() > 1e-3
    np.testing.assert_array_equal(fitted.variances, of_photos.variances)


def test_fewer_directions_are_those_that_spread_most():
    rows, labels = made_rows()
    full = within_class.fit_within_class(ArrayRows(rows), labels, shrinkage=0.5)
    moved = (rows - full.mean) @ (full.directions / np.sqrt(full.variances)[:, None]).T
    _, _, axes = np.linalg.svd(moved, full_matrices=False)
    expected = normalized(moved @ axes[:3].T)
    few = within_class.fit_within_class(ArrayRows(rows), labels, shrinkage=0.5, dimension=3)
    found = few.apply(rows)
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-5)


def test_only_the_chosen_rows_count():
    rows, labels = made_rows()
    chosen = labels < 40
    some = within_class.fit_within_class(ArrayRows(rows), labels, shrinkage=0.5, chosen=chosen)
    alone = within_class.fit_within_class(ArrayRows(rows[chosen]), labels[chosen], shrinkage=0.5)
    np.testing.assert_allclose(some.mean, alone.mean)
    np.testing.assert_allclose(some.variances, alone.variances)


def test_landmarks_of_one_photo_and_flat_rows_are_refused():
    rows, labels = made_rows()
    with pytest.raises(UserError, match="landmarks with several train rows"):
        within_class.fit_within_class(ArrayRows(rows), np.arange(len(rows)), shrinkage=0.5)
    flat = normalized(np.pad(rows, ((0, 0), (0, 3))))
    with pytest.raises(UserError, match="--shrinkage: expected more than 0"):
        within_class.fit_within_class(ArrayRows(flat), labels, shrinkage=0.0)
    within_class.fit_within_class(ArrayRows(flat), labels, shrinkage=0.1)


def test_half_of_the_landmarks_judge_what_the_other_half_fitted():
    rows, labels = made_rows(landmarks=16)
    first = held_out_landmarks.halves(labels)
    assert 0 < first.sum() < len(labels)
    assert not set(labels[first]) & set(labels[~first])
    seen = []

    def fit(chosen):
        seen.append(chosen)
        source = ArrayRows(rows)
        return within_class.fit_within_class(source, labels, shrinkage=0.5, chosen=chosen).apply

    found = held_out_landmarks.measure(ArrayRows(rows), labels, fit)
    np.testing.assert_array_equal(seen[0], ~seen[1])
    assert found.num_landmarks == 16 and len(found.before) == len(labels)
    # The noise that hides landmarks is the same for those not fitted on.
    assert found.after.mean() > found.before.mean() + 0.2
    assert "mAP@100" in found.as_line() and found.as_json()["queries"] == len(labels)


def test_leave_one_out_by_hand():
    """Photos at 0, 10, 20 and 90 degrees; the first and the third show one landmark."""
    angles = np.deg2rad([0, 10, 20, 90])
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    found = held_out_landmarks._leave_one_out(rows, np.array([1, 2, 1, 3]))
    # Each finds the other second, behind the photo between them: 1/2.
    np.testing.assert_allclose(found, [0.5, 0.5])


def test_nothing_to_measure():
    rows, labels = made_rows(landmarks=1)
    assert held_out_landmarks.measure(ArrayRows(rows), labels, lambda chosen: None) is None


def test_rows_of_whole_landmarks():
    labels = np.repeat([5, 6, 7, 8], [4, 4, 4, 1])
    assert held_out_landmarks.of_whole_landmarks(labels, 0).all()
    chosen = held_out_landmarks.of_whole_landmarks(labels, 9)
    assert 0 < chosen.sum() <= 9
    assert not set(labels[chosen]) & set(labels[~chosen])
