"""What holds of every plan, whichever images there are."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrecords_tools import sharding
from tfrecords_tools.sharding import Images

IDS = st.lists(st.integers(0, 2**64 - 1), max_size=60, unique=True)


def images(ids, labels=None):
    ids = np.array(ids, np.uint64)
    labels = np.arange(len(ids), dtype=np.int32) if labels is None else np.array(labels, np.int32)
    zeros = np.zeros(len(ids), np.int32)
    return Images(ids, labels, zeros, ids, zeros.astype(np.uint32), zeros.astype(np.uint32))


def shards_of(plan):
    return [plan.shard(number).ids.tolist() for number in range(plan.num_shards)]


@settings(deadline=None)
@given(IDS, st.integers(1, 20), st.randoms(use_true_random=False))
def test_the_plan_does_not_depend_on_the_order_of_the_images(ids, num_shards, random):
    plan = sharding.plan_shards(images(ids), num_shards)
    shuffled = random.sample(ids, len(ids))
    assert shards_of(sharding.plan_shards(images(shuffled), num_shards)) == shards_of(plan)
    assert sorted(one for shard in shards_of(plan) for one in shard) == sorted(ids)
    # An image keeps what belongs to it.
    label_of = dict(zip(ids, range(len(ids)), strict=True))
    placed = plan.images
    assert [label_of[one] for one in placed.ids.tolist()] == placed.labels.tolist()


@settings(deadline=None)
@given(IDS, st.integers(1, 20), st.data())
def test_other_images_come_and_go_without_moving_the_rest(ids, num_shards, data):
    kept = [one for one in ids if data.draw(st.booleans())]
    whole = shards_of(sharding.plan_shards(images(ids), num_shards))
    part = shards_of(sharding.plan_shards(images(kept), num_shards))
    assert part == [[one for one in shard if one in kept] for shard in whole]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 4)),
        min_size=1,
        max_size=60,
        unique_by=lambda pair: pair[0],
    ),
    st.floats(0, 0.99),
)
def test_validation_leaves_every_landmark_an_image_and_takes_its_share(pairs, fraction):
    ids = np.array([one for one, _ in pairs], np.uint64)
    labels = np.unique([label for _, label in pairs], return_inverse=True)[1].astype(np.int32)
    mask = sharding.validation_mask(ids, labels, fraction)
    for label in range(labels.max() + 1):
        count, chosen = (labels == label).sum(), mask[labels == label].sum()
        assert chosen <= count - 1
        assert np.floor(fraction * count) - 1 <= chosen <= np.ceil(fraction * count)


@settings(deadline=None)
@given(st.integers(0, 10**15), st.integers(1, 10**12))
def test_shards_are_as_few_as_hold_the_bytes(total, shard_bytes):
    count = sharding.count_shards(total, shard_bytes)
    assert 1 <= count <= sharding.MAX_SHARDS
    if count < sharding.MAX_SHARDS:
        assert count * shard_bytes >= total
    if count > 1:
        assert (count - 1) * shard_bytes < total
