import collections
import itertools

import numpy as np
import pytest
from shard_writing import kaggle_record, write_shard, write_split

from glrtf.config.data import InputConfig
from glrtf.data.input_pipeline import train_batches
from glrtf.data.sampling import repeat_factors
from tfrecords_tools.errors import UserError


def test_factors_by_hand():
    # Classes of 1, 4 and 16 of 21 records. sqrt: shares 1 : 2 : 4 of 21, so 3, 6 and 12
    # images: 3, 1.5 and 0.75 times each. uniform: 7 images each.
    counts = np.array([1, 4, 16, 0])
    np.testing.assert_allclose(repeat_factors(counts, "sqrt"), [3, 1.5, 0.75, 0], rtol=1e-6)
    np.testing.assert_allclose(repeat_factors(counts, "uniform"), [7, 7 / 4, 7 / 16, 0], rtol=1e-6)


@pytest.mark.parametrize("sampling", ["sqrt", "uniform"])
def test_classes_come_as_often_as_they_should(tmp_path, sampling):
    counts = np.array([4, 16, 64])
    label_of = lambda n: int(np.searchsorted(np.cumsum(counts), n, side="right"))  # noqa: E731
    folder = write_split(tmp_path / "train", [50, 34], num_classes=3, label_of=label_of)
    config = InputConfig(sampling=sampling, shuffle_buffer=64)
    batches = train_batches(str(folder), size=2, batch_size=84, seed=3, config=config)
    epochs = 50
    labels = np.concatenate([batch.numpy() for _, batch in itertools.islice(batches, epochs)])
    seen = np.bincount(labels, minlength=3) / epochs
    expected = repeat_factors(counts, sampling) * counts
    # A class of n records draws its fraction n times an epoch: a deviation below
    # sqrt(n) / 2, over 50 epochs sqrt(64 / 50) / 2 = 0.57 at most; allow three of them.
    np.testing.assert_allclose(seen, expected, atol=1.7)


def test_epochs_draw_anew_and_one_seed_the_same(tmp_path):
    folder = write_split(tmp_path / "train", [40], num_classes=2, label_of=lambda n: int(n >= 4))
    config = InputConfig(sampling="sqrt")

    def first_epochs(seed):
        batches = train_batches(str(folder), size=2, batch_size=20, seed=seed, config=config)
        return [
            tuple(sorted(collections.Counter(image.tobytes() for image in images.numpy()).values()))
            for images, _ in itertools.islice(batches, 6)
        ]

    assert first_epochs(1) == first_epochs(1)
    assert len(set(first_epochs(1))) > 1


def test_counts_must_be_known(tmp_path):
    write_shard(tmp_path / "train00-2.tfrec", [kaggle_record(n) for n in range(2)])
    config = InputConfig(sampling="uniform")
    with pytest.raises(UserError, match=r"expected dataset_info\.json with the counts"):
        train_batches(str(tmp_path), size=2, batch_size=1, config=config)
