import numpy as np
import pytest
import tensorflow as tf
from shard_writing import write_split
from tf_devices import two_replicas
from tiny_models import tiny_model

from glrtf.data.input_pipeline import eval_batches
from glrtf.data.shards import open_shards
from glrtf.training.validation import Validator


@pytest.mark.parametrize("replicas", [1, 2])
def test_figures_are_those_of_every_photo_once(tmp_path, replicas):
    # 11 photos in batches of 2 or 4: the last batch is short.
    write_split(tmp_path / "validation", [7, 4], split="validation")
    shards = open_shards(str(tmp_path), "validation")
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0") if replicas == 1 else two_replicas()
    with strategy.scope():
        model = tiny_model(batch_norm=True, dropout=0.5)
    scored = []

    def score(rows, labels):
        scored.append((rows, labels))
        return {"map": 0.5}

    validator = Validator(strategy, model, shards, size=32, batch_size=2, score=score)
    figures = validator()

    [batch] = eval_batches(shards, size=32, batch_size=11)
    labels = batch["label"].numpy()
    rows = model.embedding_model(tf.cast(batch["image"], tf.float32) / 255.0, training=False)
    centers = model.head.centers.numpy().astype(np.float64)
    cosines = rows.numpy() @ (centers / np.linalg.norm(centers, axis=1, keepdims=True)).T
    logits = 8.0 * cosines
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(11), labels]
    assert figures == {
        "validation_loss": pytest.approx(losses.mean(), rel=1e-5),
        "validation_accuracy": pytest.approx((cosines.argmax(axis=1) == labels).mean()),
        "validation_map": 0.5,
    }
    [(got, got_labels)] = scored
    np.testing.assert_allclose(got, rows, atol=1e-6)
    np.testing.assert_array_equal(got_labels, labels)
