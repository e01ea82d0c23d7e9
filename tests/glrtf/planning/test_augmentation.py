import pytest

from glrtf.config.data import AugmentConfig
from glrtf.planning.accelerators import find_slice
from glrtf.planning.augmentation import augmentation_cost

# Bytes and cycles (at 0.94 GHz) of 8 images of 640 pixels: the TPU compiler's estimates for v3.
COMPILED = [
    (AugmentConfig(), 0.42e9, 0.9e6),
    (AugmentConfig(cutout=6), 0.42e9, 1.1e6),
    (AugmentConfig(crop=0.25), 0.64e9, 2.6e6),
    (AugmentConfig(affine=True), 0.72e9, 19.8e6),
    (AugmentConfig(affine=True, rotation=20.0), 0.84e9, 20.3e6),
    # Two operations of RandAugment: each 25 MB and 0.78 M cycles an image, on average.
    (AugmentConfig(rand_augment=2), 0.42e9 + 16 * 25e6, 0.9e6 + 16 * 0.78e6),
    (AugmentConfig(mixup=0.2), 0.50e9, 1.3e6),
    (AugmentConfig(cutmix=1.0), 0.51e9, 1.4e6),
]


@pytest.mark.parametrize(("config", "moved", "cycles"), COMPILED)
def test_the_estimate_is_near_the_compilers(config, moved, cycles):
    cost = augmentation_cost(config, 640, lanes=128)
    assert 8 * cost.moved_bytes == pytest.approx(moved, rel=0.02)
    v3 = find_slice("v3-8").device
    seconds = 8 * cost.seconds(v3.bandwidth, v3.peak_flops)
    # The compiler's schedule of small steps is up to twice as long as their traffic.
    assert 0.5 < seconds / (cycles / 0.94e9) < 1.1


def test_geometry_by_hand():
    # Two passes, a multiply-add each of 10 weights for each of 10 x 10 pixels and 128 lanes.
    cost = augmentation_cost(AugmentConfig(affine=True), 10, lanes=128)
    assert cost.product_flops == 2 * 2 * 10 * 100 * 128
    # Of fourteen operations one has two passes and two have one.
    cost = augmentation_cost(AugmentConfig(rand_augment=7), 10, lanes=256)
    assert cost.product_flops == 7 * 4 / 14 * 2 * 10 * 100 * 256
    # One of the fourteen looks all values up: 300 an operation that is this one.
    assert cost.lookups == 7 * 300 / 14
    assert cost.seconds(1e30, 1e30) == pytest.approx(150 * 5e-9)
    assert augmentation_cost(AugmentConfig(), 10, lanes=128).product_flops == 0


def test_more_steps_cost_more():
    plain = augmentation_cost(AugmentConfig(affine=True), 640, lanes=128)
    far = augmentation_cost(AugmentConfig(affine=True, rotation=20), 640, lanes=128)
    assert far.moved_bytes > plain.moved_bytes and far.product_flops == plain.product_flops
