import numpy as np
import pytest
import tensorflow as tf

from glrtf.config.data import AugmentConfig
from glrtf.data import augment, erasing, kernels

IMAGES = np.random.default_rng(7).random((3, 8, 10, 3), dtype=np.float32) / 2
NOISE = np.full(IMAGES.shape, 0.75, np.float32)


def test_boxes_of_the_chosen_images_become_noise():
    boxes = np.array([[0.25, 0.1, 0.75, 0.4], [0, 0, 1, 1], [0, 0, 1, 1]], np.float32)
    chosen = np.array([True, False, True])
    expected = IMAGES.copy()
    # Of 8 rows those whose middles are in [2, 6): 2.5 to 5.5; of 10 columns those in [1, 4).
    expected[0, 2:6, 1:4] = 0.75
    expected[2] = 0.75
    for run in (erasing.erase, tf.function(erasing.erase, jit_compile=True, autograph=False)):
        np.testing.assert_array_equal(run(IMAGES, boxes, chosen, NOISE), expected)


def test_rectangles_are_as_large_and_as_long_as_said():
    images = np.full((600, 40, 40, 3), 2.0, np.float32)
    found = np.array(erasing.random_erasing(images, kernels.step_seed(3, 0, 0), 0.5, 0.3))
    gone = (found < 1).all(axis=-1)
    # Half of 600 with a standard deviation of 12: within five of them.
    hit = gone.any(axis=(1, 2))
    assert abs(hit.sum() - 300) < 60
    rows, columns = gone.any(axis=2).sum(axis=1)[hit], gone.any(axis=1).sum(axis=1)[hit]
    # Whole rectangles: as many pixels as rows times columns.
    np.testing.assert_array_equal(gone.sum(axis=(1, 2))[hit], rows * columns)
    areas, aspects = rows * columns / 1600, rows / columns
    # The mean of 2 % to 30 % is 16 %; the standard error of 300 is half a percent.
    assert 0.13 < areas.mean() < 0.19 and areas.max() < 0.36
    assert 0.2 < aspects.min() < 0.45 and 2.2 < aspects.max() < 5
    assert found[gone].std() == pytest.approx(12**-0.5, abs=0.01)  # Of even noise in [0, 1).


def test_only_settings_that_erase_change_the_augmentation():
    seed = kernels.step_seed(1, 2, 0)
    plain = augment.augment(IMAGES, seed, AugmentConfig())
    erased = augment.augment(IMAGES, seed, AugmentConfig(erasing=1.0))
    same = (np.array(plain) == np.array(erased)).all(axis=-1)
    assert 0 < (~same).mean() < 0.7
    assert not same.all(axis=(1, 2)).any()


@pytest.mark.parametrize("settings", [{"erasing": 1.1}, {"erasing_area": -0.1}])
def test_shares_are_from_0_to_1(settings):
    with pytest.raises(ValueError, match="expected 0 to 1"):
        AugmentConfig(**settings)
