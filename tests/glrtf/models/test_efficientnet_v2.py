import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from glrtf.models import efficientnet_v2
from glrtf.models.backbones import build_backbone

# Parameters without the classification top, as published.
PUBLISHED = {
    "v2s": 20_331_360,
    "v2m": 53_150_388,
    "v2l": 117_746_848,
    "v2xl": 207_615_832,
    # Of keras.applications without top.
    "v2b0": 5_919_312,
    "v2b1": 6_931_124,
    "v2b2": 8_769_374,
    "v2b3": 12_930_622,
}
# Table "Pretrained EfficientNetV2 Checkpoints" of google/automl's README, in millions: trainable
# parameters with a head of 1,000 classes. It lists 119.5 for L, whose table gives 118.5.
AUTOML_README = {"v2s": 21.5, "v2m": 54.1, "v2b0": 7.1, "v2b1": 8.1, "v2b2": 10.1, "v2b3": 14.4}
# Table 4 of the paper (arXiv 2104.00298), S: operator, stride, channels, layers of each stage.
PAPER_S = [
    ("fused1", 1, 24, 2),
    ("fused4", 2, 48, 4),
    ("fused4", 2, 64, 4),
    ("mb4", 2, 128, 6),
    ("mb6", 1, 160, 9),
    ("mb6", 2, 256, 15),
]
KERAS = {
    "v2s": keras.applications.EfficientNetV2S,
    "v2m": keras.applications.EfficientNetV2M,
    "v2l": keras.applications.EfficientNetV2L,
    "v2b0": keras.applications.EfficientNetV2B0,
    "v2b1": keras.applications.EfficientNetV2B1,
    "v2b2": keras.applications.EfficientNetV2B2,
    "v2b3": keras.applications.EfficientNetV2B3,
}


def test_blocks_widths_and_depths_are_scaled_and_rounded():
    # B3: width 1.2, depth 1.4. Last stage r8 → ceil(11.2) = 12; filters 192 · 1.2 = 230.4 → 232.
    table = efficientnet_v2.blocks(efficientnet_v2.VARIANTS["v2b3"])
    last = [b for b in table if b.name.startswith("block6")]
    assert (len(last), last[-1].output_filters) == (12, 232)


def test_names_go_on_after_z():
    # The fifth stage of XL has 24 blocks, the sixth 32: a..z, then aa..af.
    names = [b.name for b in efficientnet_v2.blocks(efficientnet_v2.VARIANTS["v2xl"])]
    assert names[-9] == "block6af_"
    assert len(set(names)) == len(names) == 4 + 8 + 8 + 16 + 24 + 32 + 8


def test_stochastic_depth_grows_from_zero_to_almost_its_rate():
    # 100 blocks in XL: the last one drops 0.2 · 99/100.
    rates = [b.drop_rate for b in efficientnet_v2.blocks(efficientnet_v2.VARIANTS["v2xl"], 0.2)]
    assert rates[0] == 0
    assert rates[-1] == pytest.approx(0.198)


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_the_published_ones(name):
    assert _count(efficientnet_v2.VARIANTS[name]) == PUBLISHED[name]


@pytest.mark.parametrize("name", AUTOML_README)
def test_trainable_parameters_are_those_of_automls_readme(name):
    variant = efficientnet_v2.VARIANTS[name]
    top = efficientnet_v2.round_filters(1280, variant.width)
    # Scale and offset are trained, the moving mean and variance are not.
    trainable = _count(variant, norm=2) + top * 1000 + 1000
    assert round(trainable / 1e6, 1) == AUTOML_README[name]


def test_the_stages_of_s_are_those_of_the_paper():
    stages = {}
    for b in efficientnet_v2.blocks(efficientnet_v2.VARIANTS["v2s"]):
        stages.setdefault(b.name[:6], []).append(b)
    found = [
        (
            f"{'fused' if first.fused else 'mb'}{first.expand_ratio}",
            first.strides,
            first.output_filters,
            1 + len(rest),
        )
        for first, *rest in stages.values()
    ]
    assert found == PAPER_S
    # The stem halves the side. At 384 px that leaves 192, 96, 48, 24, 24 and 12 after the stages.
    sides = 384 // 2 // np.cumprod([stage[1] for stage in found])
    assert sides.tolist() == [192, 96, 48, 24, 24, 12]


def test_xl_builds_and_has_the_parameters_of_its_table(monkeypatch):
    """An eighth as wide and as deep: initial values and traces of XL itself take a minute."""
    assert _count(efficientnet_v2.VARIANTS["v2xl"]) == PUBLISHED["v2xl"]
    model, variant = _build(monkeypatch, "v2xl", width=1 / 8, depth=1 / 8)
    # Repeats 4 8 8 16 24 32 8 of an eighth, rounded up.
    assert len(efficientnet_v2.blocks(variant)) == 1 + 1 + 1 + 2 + 3 + 4 + 1
    assert model.count_params() == _count(variant)
    # 640 / 2^5 and 1280 / 8.
    assert model.output_shape == (None, 20, 20, 160)


def test_a_stage_that_goes_on_after_z_builds(monkeypatch):
    """XL's sixth stage has 32 blocks, the longest of all."""
    model, variant = _build(monkeypatch, "v2s", stages=_stages(32), size=32)
    assert model.count_params() == _count(variant)
    assert model.get_layer("block2af_add").output.shape == (None, 8, 8, 8)


def test_the_graph_grows_by_the_block_and_by_nothing_else(monkeypatch):
    one, two, four = (
        _nodes(_build(monkeypatch, "v2s", stages=_stages(repeats), size=32)[0])
        for repeats in (1, 2, 4)
    )
    assert four - two == 2 * (two - one) > 0


def _stages(repeats):
    """A fused block and a stage of the others."""
    return f"r1k3s1e1i8o8c1 r{repeats}k3s2e2i8o8se.25"


def _build(monkeypatch, name, size=640, **changes):
    """A backbone whose entry in the table is changed, and the entry."""
    variant = dataclasses.replace(efficientnet_v2.VARIANTS[name], **changes)
    monkeypatch.setitem(efficientnet_v2.VARIANTS, name, variant)
    return build_backbone(name, size), variant


def _nodes(model):
    """Operations of the forward pass."""
    run = tf.function(lambda images: model(images, training=True), autograph=False)
    graph = run.get_concrete_function(tf.TensorSpec((1, 32, 32, 3))).graph.as_graph_def()
    return len(graph.node) + sum(len(f.node_def) for f in graph.library.function)


def _count(variant, norm=4):
    """Parameters by the table alone: a convolution k·k·i·o, a BatchNorm `norm` a channel."""
    table = efficientnet_v2.blocks(variant)
    total = 27 * table[0].input_filters + norm * table[0].input_filters
    for b in table:
        i, o, e, k2 = (
            b.input_filters,
            b.output_filters,
            b.input_filters * b.expand_ratio,
            b.kernel_size**2,
        )
        if b.fused and b.expand_ratio == 1:
            total += k2 * i * o + norm * o
        elif b.fused:
            total += k2 * i * e + norm * e + e * o + norm * o
        else:
            r = i // 4
            total += (
                i * e + norm * e + k2 * e + norm * e + (e * r + r) + (r * e + e) + e * o + norm * o
            )
    top = efficientnet_v2.round_filters(1280, variant.width)
    return total + table[-1].output_filters * top + norm * top


@pytest.mark.parametrize("name", ["v2s", "v2b3"])
def test_variables_have_the_order_and_shapes_of_keras_applications(name):
    ours = build_backbone(name, None)
    theirs = KERAS[name](include_top=False, weights=None)
    assert [(v.path, tuple(v.shape)) for v in ours.weights] == [
        (v.path, tuple(v.shape)) for v in theirs.weights
    ]
    if name == "v2s":
        # The range of S is x / 128 − 1 for x in 0..255: 128/255 maps to 0.
        grey = np.full((1, 1, 1, 3), 128 / 255, np.float32)
        np.testing.assert_allclose(ours.get_layer("input_range")(grey), 0, atol=1e-6)


def test_a_weight_file_of_keras_applications_gives_the_same_features(tmp_path):
    theirs = keras.applications.EfficientNetV2B0(
        include_top=False, weights=None, input_shape=(32, 32, 3)
    )
    rng = np.random.default_rng(0)
    theirs.set_weights([rng.uniform(0.5, 1.5, w.shape) * 0.1 for w in theirs.get_weights()])
    path = str(tmp_path / "efficientnetv2-b0_notop.weights.h5")
    theirs.save_weights(path)
    ours = build_backbone("v2b0", 32)
    ours.load_weights(path)
    images = rng.uniform(size=(2, 32, 32, 3)).astype(np.float32)
    # Theirs takes 0..255, ours 0..1.
    expected = theirs(images * 255, training=False)
    np.testing.assert_allclose(ours(images, training=False), expected, rtol=1e-4, atol=1e-5)


def test_an_unknown_backbone_is_named():
    with pytest.raises(ValueError, match="found 'v3s'"):
        build_backbone("v3s", 32)
