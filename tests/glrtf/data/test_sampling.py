import collections
import itertools

import numpy as np
import pytest
from shard_writing import kaggle_record, record, write_shard, write_split

from glrtf.config.data import InputConfig
from glrtf.data.input_pipeline import train_batches
from glrtf.data.records import Record
from glrtf.data.sampling import repeat_factors, resampler
from tfrecords_tools.errors import UserError


def test_factors_by_hand():
    # Classes of 1, 4 and 16 of 21 records. sqrt: shares 1 : 2 : 4 of 21, so 3, 6 and 12
    # images: 3, 1.5 and 0.75 times each. uniform: 7 images each.
    counts = np.array([1, 4, 16, 0])
    np.testing.assert_allclose(repeat_factors(counts, "sqrt"), [3, 1.5, 0.75, 0], rtol=1e-6)
    np.testing.assert_allclose(repeat_factors(counts, "uniform"), [7, 7 / 4, 7 / 16, 0], rtol=1e-6)


@pytest.mark.parametrize("sampling", ["sqrt", "uniform"])
def test_a_window_keeps_its_length_and_draws_in_proportion(sampling):
    counts, labels = np.array([4, 16, 64]), [0, 1, 2, 2, 2, 1, 0, 2]
    factors = repeat_factors(counts, sampling)[labels]
    rows = [Record(record(0, label), 0, place) for place, label in enumerate(labels)]
    resample = resampler(counts, sampling, "gldv2")
    generator = np.random.default_rng(0)
    draws = 2_000
    seen = np.zeros(8)
    for _ in range(draws):
        places = [row.position for row in resample(rows, generator)]
        assert len(places) == 8
        seen += (times := np.bincount(places, minlength=8))
        wanted = factors / factors.sum() * 8
        assert ((times == np.floor(wanted)) | (times == np.ceil(wanted))).all()
    # A draw's deviation is at most 1/2, of the mean 1/2 sqrt(2000) = 0.011; allow four.
    np.testing.assert_allclose(seen / draws, wanted, atol=0.045)


@pytest.mark.parametrize("sampling", ["sqrt", "uniform"])
def test_classes_come_as_often_as_they_should(tmp_path, sampling):
    counts = np.array([4, 16, 44])  # 64 records, one window
    label_of = lambda n: int(np.searchsorted(np.cumsum(counts), n, side="right"))  # noqa: E731
    folder = write_split(tmp_path / "train", [50, 14], num_classes=3, label_of=label_of)
    config = InputConfig(sampling=sampling)
    batches = train_batches(str(folder), size=2, batch_size=64, seed=3, config=config)
    epochs = 20
    labels = np.concatenate([batch.numpy() for _, batch in itertools.islice(batches, epochs)])
    seen = np.bincount(labels, minlength=3) / epochs
    expected = repeat_factors(counts, sampling) * counts
    # A class of n records draws its fraction n times an epoch, not independently: a
    # deviation below sqrt(n) / 2, over 20 epochs sqrt(44 / 20) / 2 = 0.74; allow three.
    np.testing.assert_allclose(seen, expected, atol=2.2)


@pytest.mark.parametrize("step", [1, 7, 16, 23])
def test_a_balanced_stream_goes_on_where_it_stopped(tmp_path, step):
    folder = str(write_split(tmp_path / "train", [50, 17, 60], num_classes=7))
    config = InputConfig(sampling="uniform", shuffle_buffer=40, files_at_once=2)
    settings = {"size": 2, "batch_size": 9, "seed": 2, "config": config}
    whole, rest = (
        np.concatenate([images for images, _ in itertools.islice(batches, count)])
        for batches, count in (
            (train_batches(folder, **settings), step + 4),
            (train_batches(folder, start_step=step, **settings), 4),
        )
    )
    np.testing.assert_array_equal(whole[step * 9 :], rest)


def test_a_label_out_of_range_goes_on_to_be_reported():
    rows = [Record(record(0, 9), 0, 0), Record(b"broken", 0, 1), Record(record(0, 1), 0, 2)]
    resample = resampler(np.array([2, 2]), "uniform", "gldv2")
    assert sorted(resample(rows, np.random.default_rng(1))) == sorted(rows)


def test_epochs_differ_and_one_seed_repeats(tmp_path):
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
