import keras
import numpy as np
import pytest

from glrtf.config.backbone_names import canonical, family, plain_name
from glrtf.models import keras_backbones
from glrtf.models.backbones import build_backbone
from glrtf.models.retrieval_model import build_embedding_model
from tfrecords_tools.errors import UserError

IMAGES = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)


@pytest.mark.parametrize(
    ("name", "pooling"),
    [
        *[("maps", "avg"), ("maps", "gem"), ("rows", "avg")],
        *[("tokens", "avg"), ("tokens", "gem"), ("tokens", "cls")],
    ],
)
def test_a_functions_features_of_any_rank_become_rows(name, pooling):
    backbone = f"tiny_backbones:{name}"
    model = build_embedding_model(backbone, 32, embedding_dim=5, pooling=pooling)
    rows = model(IMAGES, training=False).numpy()
    assert rows.shape == (2, 5)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    # No colon: TensorFlow's scopes do not take one.
    assert model.get_layer(f"backbone_tiny_backbones_{name}")


@pytest.mark.parametrize("name", ["v2b0", "lite0", "keras:VGG16"])
def test_images_are_mapped_to_the_networks_range_in_float32_in_every_precision(name):
    levels = np.repeat(np.arange(256, dtype=np.float32)[:, None] / 255, 3, 1)[None, None]
    model = build_backbone(name, 32, dtype=keras.DTypePolicy("mixed_bfloat16"))
    layer = model.get_layer("input_range")
    found = keras.ops.convert_to_numpy(layer(levels))[0, 0]
    assert found.dtype == np.float32
    # The levels' distances are equal; rounded to bfloat16 some levels would fall together.
    steps = np.diff(found, axis=0)
    np.testing.assert_allclose(steps, np.broadcast_to(steps.mean(0), steps.shape), rtol=1e-2)
    # The layers after it compute in bfloat16.
    assert model.output.dtype == "bfloat16"


@pytest.mark.parametrize(
    ("name", "pooling", "part"),
    [
        ("rows", "gem", "a backbone that gives one row for each image"),
        ("maps", "cls", "a backbone that gives maps, not tokens"),
        ("nothing", "avg", "expected a function of the size that returns a keras.Model, found"),
    ],
)
def test_what_does_not_go_together(name, pooling, part):
    with pytest.raises(UserError, match=part):
        build_embedding_model(f"tiny_backbones:{name}", 32, pooling=pooling)


def test_first_token_and_its_mean():
    tokens = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    from glrtf.models.pooling import build_pooling

    np.testing.assert_array_equal(build_pooling("cls", rank=3)(tokens), [[0, 1, 2, 3]])
    np.testing.assert_array_equal(build_pooling("avg", rank=3)(tokens), [[4, 5, 6, 7]])


def test_an_application_of_keras_gets_its_own_range():
    model = keras_backbones.build("keras:MobileNetV2", 32, keras.DTypePolicy("float32"))
    scaled = model.get_layer("input_range")(IMAGES).numpy()
    expected = keras.applications.mobilenet_v2.preprocess_input(IMAGES * 255)
    np.testing.assert_allclose(scaled, expected, atol=1e-5)
    assert model.output_shape == (None, 1, 1, 1280)


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("ResNet50", "resnet"),
        ("ResNet50V2", "resnet_v2"),
        ("DenseNet121", "densenet"),
        ("EfficientNetB0", "efficientnet"),
        ("ConvNeXtTiny", "convnext"),
        ("MobileNetV3Small", "mobilenet_v3"),
        ("VGG16", "vgg16"),
        ("Xception", "xception"),
        ("NASNetMobile", "nasnet"),
    ],
)
def test_the_ranges_are_those_of_keras(name, module):
    layer = keras_backbones.InputRange(*keras_backbones._range_of(name))
    preprocess = getattr(keras.applications, module).preprocess_input
    np.testing.assert_allclose(layer(IMAGES), preprocess(IMAGES * 255), atol=1e-3)


def test_a_network_that_keras_has_not():
    with pytest.raises(UserError, match=r"found none of that name, did you mean MobileNetV2|V2"):
        keras_backbones.build("keras:MobilNetV2", 32, None)


def test_families_of_names():
    kinds = {name: family(name) for name in ("v2m", "lite0", "keras:VGG16", "a.b:c", "v9")}
    assert [kind is not None for kind in kinds.values()] == [True, True, True, True, False]
    assert canonical("EfficientNet-Lite0") == "lite0"
    assert plain_name("keras_hub:vit/base") == "keras_hub_vit_base"
