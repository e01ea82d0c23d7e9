import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_models import tiny_model

from glrtf.config.training import TrainConfig
from glrtf.training import fine_tuning
from glrtf.training.accumulation import TrainStep
from glrtf.training.optimizers import Updater


def network():
    """A backbone of a stem and two blocks, under an embedding layer."""
    images = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(2, 1, use_bias=False, name="stem_conv")(images)
    x = keras.layers.Conv2D(2, 1, use_bias=False, name="block1a_conv")(x)
    x = keras.layers.BatchNormalization(name="block1b_bn")(x)
    x = keras.layers.Conv2D(2, 1, use_bias=False, name="top_conv")(x)
    backbone = keras.Model(images, x, name="backbone_v2b0")
    outer = keras.Input((4, 4, 3))
    rows = keras.layers.GlobalAveragePooling2D()(backbone(outer))
    return keras.Model(outer, keras.layers.Dense(2, use_bias=False, name="embedding")(rows))


def test_rates_fall_with_the_distance_from_the_top():
    model = network()
    config = TrainConfig(layer_decay=0.5, head_learning_rate_factor=10)
    found = fine_tuning.rate_factors(config, model, model.trainable_variables)
    named = {
        v.path.split("/")[-2]: f for v, f in zip(model.trainable_variables, found, strict=True)
    }
    # The last block and what follows it have 1, the one before a half, the stem a quarter.
    assert named == {
        **{"stem_conv": 0.25, "block1a_conv": 0.5, "block1b_bn": 1.0, "top_conv": 1.0},
        **{"embedding": 10.0},
    }


def test_a_frozen_backbone_keeps_its_weights_for_so_many_updates():
    model = network()
    config = TrainConfig(head_learning_rate_factor=2)
    variables = model.trainable_variables
    strategy = tf.distribute.get_strategy()
    updater = Updater(
        "sgd",
        0.1,
        variables,
        0.01,
        fine_tuning.rate_factors(config, model, variables),
        fine_tuning.frozen_backbone(config, model, 2),
    )
    before = [v.numpy() for v in variables]
    ones = [tf.ones(v.shape) for v in variables]
    for update in range(3):
        assert bool(updater.is_frozen) == (update < 2)
        updater.apply(strategy, ones)
        moved = [not np.array_equal(v.numpy(), b) for v, b in zip(variables, before, strict=True)]
        assert moved == [update == 2] * (len(variables) - 1) + [True]


def test_nothing_is_frozen_by_default():
    model = network()
    frozen = fine_tuning.frozen_backbone(TrainConfig(), model, 0)
    assert not any(map(frozen.holds, model.weights))


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"freeze_epochs": 15}, r"freeze_epochs: expected fewer than epochs \(15\), found 15"),
        ({"layer_decay": 0.0}, "layer_decay: expected above 0 to 1"),
        ({"head_learning_rate_factor": 0.0}, "head_learning_rate_factor: expected more than 0"),
        (
            {"backbone": "keras:VGG16", "layer_decay": 0.5},
            "layer_decay: expected 1.0 for keras:VGG16, which cannot be set so, found 0.5",
        ),
        ({"backbone": "keras:VGG16", "remat": "blocks"}, "remat: expected none for keras:VGG16"),
        ({"backbone": "a.b:c", "weights": "imagenet"}, "weights: expected none or a file for a"),
        ({"backbone": "a.b:c", "sizes": [64, 128], "stage_epochs": [7, 8]}, "sizes: expected 128"),
        ({"backbone": "lite0", "size": 0}, "size: expected 1 or more"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, part):
    with pytest.raises(ValueError, match=part):
        TrainConfig(**settings)


def test_sizes_of_other_backbones_are_free():
    assert TrainConfig(backbone="lite0", size=160).folder == "runs/lite0_160"
    assert TrainConfig(backbone="keras:VGG16", size=150).folder == "runs/keras_VGG16_150"


def test_statistics_of_a_frozen_backbone_keep_their_values_too():
    model = tiny_model(batch_norm=True)
    backbone = model.embedding_model.weights
    frozen = fine_tuning.Frozen(1, frozenset(map(id, backbone)))
    step = TrainStep(
        model,
        Updater("adam", 0.1, model.trainable_variables, frozen=frozen),
        accumulation_steps=2,
        prepare=lambda images, replica, number: (tf.cast(images, tf.float32) / 255.0, None),
    )
    run = tf.function(step, autograph=False)
    images = tf.constant(np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3)), tf.uint8)
    before = [v.numpy() for v in backbone]
    head = model.head.weights[0].numpy()
    changed = []
    for _ in range(2):
        run(images, tf.range(8) % 5)
        pairs = zip(backbone, before, strict=True)
        changed.append([not np.array_equal(v.numpy(), b) for v, b in pairs])
    assert not any(changed[0])
    # Weights, and BatchNorm's mean and variance; the head has moved from the first update on.
    assert all(changed[1])
    assert not np.array_equal(model.head.weights[0].numpy(), head)
