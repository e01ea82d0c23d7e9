import dataclasses

import pytest

from glrtf.config.data import AugmentConfig
from glrtf.planning.accelerators import Accelerator, Slice
from glrtf.planning.estimate import Workload, estimate, memory_of
from glrtf.planning.graph_cost import GraphCost

WORK = Workload(
    num_parameters=1000,
    num_state=10,
    optimizer_slots=2,
    has_ema=False,
    micro_batch=4,
    accumulation_steps=3,
    image_side=2,
    pass_cost=GraphCost(forward_flops=200, backward_flops=400, kept_bytes=1000, flops_by_type={}),
    traced_batch=2,
)


def test_memory_by_hand() -> None:
    memory = memory_of(WORK, micro_batch=4, activation_overhead=1.5)
    assert memory.weights == 4040  # (1000 + 10) * 4 bytes
    assert memory.optimizer == 8000  # two slots
    assert memory.accumulators == 4000
    assert memory.gradients == 4000
    assert memory.activations == 3000  # 1000 / 2 per image, * 4 * 1.5
    assert memory.input == 144  # 2 * 2 * 3 bytes, 12 images
    assert memory.total == 23184


def test_no_accumulation_needs_no_accumulators_and_ema_doubles_the_weights() -> None:
    work = dataclasses.replace(WORK, accumulation_steps=1, has_ema=True)
    memory = memory_of(work, 4, 1.0)
    assert (memory.accumulators, memory.weights) == (0, 8040)


def test_a_split_head_by_hand() -> None:
    # 901 of the 1000 parameters on 4 devices: 99 + 226 on each.
    work = dataclasses.replace(WORK, num_sharded=901, exchanged_per_image=6)
    memory = memory_of(work, 4, 1.5, replicas=4)
    assert (memory.weights, memory.optimizer) == ((325 + 10) * 4, 325 * 8)
    assert (memory.accumulators, memory.gradients) == (1300, 1300)
    # What an image costs is what it costs without: a part of the classes for all images.
    assert memory.activations == memory_of(WORK, 4, 1.5).activations
    # Added up: 99 gradients, and 6 numbers for each of 4 x 3 x 4 images.
    assert work.exchanged_bytes(4) == (99 + 6 * 48) * 4
    assert work.exchanged_bytes(1) == 0
    # Compute 7.2 s as below; the update touches 7 x 1300 bytes, the sums 4 x 1548.
    device = Accelerator("test", memory=10**6, peak_flops=1000, bandwidth=1000)
    found = estimate(work, Slice("test-4", device, 4, 1), utilization=0.5, activation_overhead=1)
    assert found.seconds_per_update == pytest.approx(7.2 + (7 * 1300 + 4 * 1548) / 1000)
    assert found.exchanged_bytes == 1548


def test_speed_by_hand() -> None:
    # 300 FLOPs an image, 12 images a device and update, at half of 1000/s: 7.2 s.
    # The update touches 4000 bytes * (1 + 2 * 3 + 4) = 44000, at 22000 bytes/s: 2 s.
    device = Accelerator("test", memory=10**6, peak_flops=1000, bandwidth=22000)
    found = estimate(WORK, Slice("test-2", device, 2, 1), utilization=0.5, activation_overhead=1)
    assert found.seconds_per_update == pytest.approx(9.2)
    assert found.images_per_second == pytest.approx(24 / 9.2)
    assert found.hours(images=2400, epochs=3) == pytest.approx(3 * 100 * 9.2 / 3600)
    assert found.cost_per_million(price_per_hour=36) == pytest.approx(1e6 / 24 * 9.2 / 100)


def test_augmentation_takes_time_and_memory() -> None:
    # 12 images of 2 x 2 pixels a device and update. Two passes of affine take 2 * 2 * 128 * 8
    # operations an image at 1000/s: 49.152 s in all; the bytes take 12 * 4 * 220 / 22000.
    work = dataclasses.replace(WORK, augment=AugmentConfig(affine=True))
    device = Accelerator("test", memory=10**6, peak_flops=1000, bandwidth=22000)
    found = estimate(work, Slice("t", device, 2, 1), utilization=0.5, activation_overhead=1)
    assert found.augmentation_seconds == pytest.approx(49.152 + 0.48)
    assert found.seconds_per_update == pytest.approx(9.2 + 49.152 + 0.48)
    # The 4 images of a micro-batch as float32, plus 12 of bytes.
    assert found.memory.input == 144 + 4 * 12 * 4


def test_the_largest_micro_batch_is_the_last_that_fits() -> None:
    for limit in (0, 20_040, 23_183, 23_184, 10**6):
        device = Accelerator("test", memory=limit, peak_flops=1, bandwidth=1)
        found = estimate(WORK, Slice("t", device, 1, 1), utilization=1, activation_overhead=1.5)
        largest = found.largest_micro_batch
        assert found.fits == (limit >= 23_184)
        if largest:
            assert memory_of(WORK, largest, 1.5).total <= limit
        assert memory_of(WORK, largest + 1, 1.5).total > limit
