import numpy as np
import pytest

from tfrecords_tools import sharding
from tfrecords_tools.sharding import Images


def _images(ids, labels=None) -> Images:
    ids = np.asarray(ids, np.uint64)
    labels = np.zeros(len(ids), np.int32) if labels is None else np.asarray(labels, np.int32)
    unknown = np.zeros(len(ids), np.uint32)
    return Images(ids, labels, labels, ids, labels.astype(np.uint32), unknown)


def _splitmix64(state: int) -> int:
    """SplitMix64's finaliser as published, on Python integers."""
    mask = (1 << 64) - 1
    z = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & mask
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
    return z ^ (z >> 31)


def test_hash_is_splitmix64():
    gamma = 0x9E3779B97F4A7C15
    # The published first output for seed 0 is e220a8397b1dcdaf: finaliser of 0 + gamma.
    assert int(sharding.hash_ids(np.array([0], np.uint64), 0)[0]) == 0xE220A8397B1DCDAF
    ids = np.array([1, 2**63 + 5, 2**64 - 1], np.uint64)
    expected = [_splitmix64((int(i) + 3 * gamma) % 2**64) for i in ids]
    assert sharding.hash_ids(ids, 2).tolist() == expected


def test_plan_places_every_image_once_in_its_own_shard():
    ids = np.random.default_rng(0).integers(0, 2**64, 1000, np.uint64)
    plan = sharding.plan_shards(_images(ids), 7)
    placed = [plan.shard(number).ids for number in range(plan.num_shards)]
    assert sorted(np.concatenate(placed).tolist()) == sorted(ids.tolist())
    for number, inside in enumerate(placed):
        assert set((sharding.hash_ids(inside, 0) % np.uint64(7)).tolist()) == {number}
        assert np.all(np.diff(sharding.hash_ids(inside, 1).astype(object)) > 0)


def test_plan_does_not_depend_on_the_order_of_the_source():
    ids = np.random.default_rng(1).integers(0, 2**64, 500, np.uint64)
    one, other = (sharding.plan_shards(_images(x), 4) for x in (ids, ids[::-1]))
    assert one.images.ids.tolist() == other.images.ids.tolist()
    assert one.starts.tolist() == other.starts.tolist()


def test_shards_are_about_equal():
    ids = np.arange(100_000)
    sizes = np.diff(sharding.plan_shards(_images(ids), 10).starts)
    # Binomial: mean 10,000, standard deviation 95; six of them.
    assert np.all(np.abs(sizes - 10_000) < 570)


@pytest.mark.parametrize(
    ("total", "size", "expected"), [(0, 10, 1), (10, 10, 1), (11, 10, 2), (10**15, 1, 100_000)]
)
def test_count_shards_rounds_up(total, size, expected):
    assert sharding.count_shards(total, size) == expected


def test_validation_keeps_singletons_and_one_of_each_landmark_in_train():
    labels = np.repeat(np.arange(300), np.arange(300) % 5 + 1)
    ids = np.arange(len(labels)) * 977
    mask = sharding.validation_mask(ids.astype(np.uint64), labels.astype(np.int32), 0.9)
    left = np.bincount(labels[~mask], minlength=300)
    assert left.min() == 1
    assert not mask[np.isin(labels, np.flatnonzero(np.bincount(labels) == 1))].any()


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.25, 0.5])
def test_validation_takes_its_fraction_of_each_landmark_and_of_the_whole(fraction):
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2000, 20_000).astype(np.int32)
    ids = rng.integers(0, 2**64, 20_000, np.uint64)
    mask = sharding.validation_mask(ids, labels, fraction)
    counts = np.bincount(labels, minlength=2000)
    taken = np.bincount(labels[mask], minlength=2000)
    assert np.all(np.abs(taken - fraction * counts) < 1)
    # Rounding is unbiased: 2000 landmarks, each off by less than half an image on average,
    # standard deviation of the sum below 0.5·√2000 = 22.4; four of them.
    assert abs(mask.sum() - fraction * len(ids)) < 90


def test_validation_does_not_depend_on_the_order_of_the_source():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 50, 500).astype(np.int32)
    ids = rng.integers(0, 2**64, 500, np.uint64)
    order = rng.permutation(500)
    one = set(ids[sharding.validation_mask(ids, labels, 0.3)].tolist())
    mask = sharding.validation_mask(ids[order], labels[order], 0.3)
    assert set(ids[order][mask].tolist()) == one
