import dataclasses
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from glrtf.commands import weights as command
from glrtf.models import automl, weights
from glrtf.models.backbones import build_backbone
from glrtf.models.efficientnet_v2 import VARIANTS
from tfrecords_tools.errors import UserError


@pytest.fixture(scope="module")
def v2s():
    """An eighth as wide: writing and reading 20 million weights, again and again, takes a minute.

    Its layers and their names are those of the whole network.
    """
    with pytest.MonkeyPatch.context() as patch:
        narrow = dataclasses.replace(VARIANTS["v2s"], width=1 / 8)
        patch.setitem(VARIANTS, "v2s", narrow)
        yield build_backbone("v2s", None)


@pytest.fixture(scope="module")
def small():
    return build_backbone("v2b0", 32)


def write_checkpoint(path, values):
    """A TensorFlow checkpoint with exactly these variable names, as automl's are."""
    tf.raw_ops.SaveV2(
        prefix=str(path),
        tensor_names=list(values),
        shape_and_slices=[""] * len(values),
        tensors=[tf.constant(v) for v in values.values()],
    )


def official(model, *, average=True, prefix="efficientnetv2-s/"):
    """Variables under the names of automl's model code, distinguished by their values."""
    rng = np.random.default_rng(0)
    values, expected = {}, {}
    for ours, theirs in automl.checkpoint_names("v2s").items():
        [variable] = [v for v in model.weights if v.path == ours]
        values[prefix + theirs] = rng.normal(size=variable.shape).astype(np.float32)
        expected[ours] = values[prefix + theirs]
        if average:
            name = f"{prefix}{theirs}/ExponentialMovingAverage"
            values[name] = expected[ours] = rng.normal(size=variable.shape).astype(np.float32)
    values[f"{prefix}head/dense/kernel"] = np.zeros((1280, 3), np.float32)
    values[f"{prefix}stem/conv2d/kernel/RMSProp"] = np.zeros((3, 3, 3, 24), np.float32)
    values["global_step"] = np.int64(5)
    return values, expected


def test_the_names_are_those_of_the_official_model_code():
    names = automl.checkpoint_names("v2s")
    # Blocks count through: 2 + 4 + 4 fused ones, so block4a is number 10.
    assert names["block1a_project_conv/kernel"] == "blocks_0/conv2d/kernel"
    assert names["block2a_expand_conv/kernel"] == "blocks_2/conv2d/kernel"
    assert names["block2a_project_conv/kernel"] == "blocks_2/conv2d_1/kernel"
    assert names["block2a_project_bn/gamma"] == "blocks_2/tpu_batch_normalization_1/gamma"
    assert names["block4a_dwconv2/kernel"] == "blocks_10/depthwise_conv2d/depthwise_kernel"
    assert names["block4a_bn/moving_mean"] == "blocks_10/tpu_batch_normalization_1/moving_mean"
    assert names["block4a_project_bn/beta"] == "blocks_10/tpu_batch_normalization_2/beta"
    assert names["block4a_se_expand/bias"] == "blocks_10/se/conv2d_1/bias"
    assert names["top_bn/gamma"] == "head/tpu_batch_normalization/gamma"


def test_every_variable_of_every_model_has_one_official_name():
    for backbone in ("v2m", "v2l", "v2xl"):
        names = automl.checkpoint_names(backbone)
        assert len(set(names.values())) == len(names)
    # The last of XL's 100 blocks.
    assert "blocks_99/conv2d_1/kernel" in automl.checkpoint_names("v2xl").values()


@pytest.mark.parametrize("average", [True, False])
def test_a_checkpoint_is_converted_averages_preferred(v2s, tmp_path, average):
    values, expected = official(v2s, average=average)
    write_checkpoint(tmp_path / "model", values)
    arrays = weights.convert_automl(v2s, "v2s", str(tmp_path))
    assert arrays.keys() == {f"backbone/{name}" for name in expected}
    assert arrays.keys() == {f"backbone/{v.path}" for v in v2s.weights}
    for name, value in expected.items():
        np.testing.assert_array_equal(arrays[f"backbone/{name}"], value)


def test_the_command_writes_what_weights_reads(v2s, tmp_path, capsys):
    values, expected = official(v2s, prefix="")
    write_checkpoint(tmp_path / "model", values)
    output = tmp_path / "out" / "v2s.npz"
    arguments = ["--checkpoint", str(tmp_path), "--backbone", "v2s", "--output", str(output)]
    assert command.main(arguments) == 0
    assert f"{v2s.count_params():,} parameters" in capsys.readouterr().out
    weights.load_backbone(v2s, "v2s", str(output))
    for variable in v2s.weights:
        np.testing.assert_array_equal(variable.numpy(), expected[variable.path])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.pop("efficientnetv2-s/blocks_3/conv2d/kernel"), "expected a variable"),
        (
            lambda v: v.update({"efficientnetv2-s/blocks_3/conv2d/kernel": np.zeros((1, 1), "f")}),
            # An eighth of 48 channels is 6, rounded to 8; four times as many come out.
            r"blocks_3/conv2d/kernel: expected the shape \(3, 3, 8, 32\), found \(1, 1\)",
        ),
        (
            lambda v: v.update({"efficientnetv2-s/blocks_40/conv2d/kernel": np.zeros(1, "f")}),
            "found a variable efficientnetv2-s/blocks_40/conv2d/kernel that v2s has no place for",
        ),
    ],
)
def test_what_does_not_fit_is_named(v2s, tmp_path, change, message):
    values, _ = official(v2s, average=False)
    change(values)
    write_checkpoint(tmp_path / "model", values)
    with pytest.raises(UserError, match=message):
        weights.convert_automl(v2s, "v2s", str(tmp_path))


def test_foreign_truncated_and_missing_checkpoints_are_named(v2s, tmp_path):
    write_checkpoint(tmp_path / "model", {"layer/kernel": np.zeros(2, np.float32)})
    with pytest.raises(UserError, match="google/automl EfficientNetV2 checkpoint"):
        weights.convert_automl(v2s, "v2s", str(tmp_path))
    write_checkpoint(tmp_path / "model", official(v2s, prefix="efficientnetv2-m/")[0])
    with pytest.raises(UserError, match="expected a checkpoint of efficientnetv2-s, found one of"):
        weights.convert_automl(v2s, "v2s", str(tmp_path))
    (tmp_path / "model.index").write_bytes(b"not an index")
    with pytest.raises(UserError, match="expected a TensorFlow checkpoint"):
        weights.convert_automl(v2s, "v2s", str(tmp_path))
    with pytest.raises(UserError, match=r"efficientnetv2-s-21k\.tgz and unpack it there"):
        weights.convert_automl(v2s, "v2s", str(tmp_path / "missing"))


def test_a_whole_model_file_of_tf_keras_times_loads(small, tmp_path):
    # The published files are of this older format, filled by order and not by name.
    theirs = keras.applications.EfficientNetV2B0(include_top=False, weights=None)
    rng = np.random.default_rng(0)
    theirs.set_weights([rng.normal(size=w.shape) for w in theirs.get_weights()])
    path = str(tmp_path / "efficientnetv2-b0_notop.h5")
    theirs.save(path)
    weights.load_backbone(small, "v2b0", path)
    for ours, other in zip(small.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, other)


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n cut short", b"<html>"])
def test_a_file_that_is_no_weights_is_named_and_nothing_changes(small, tmp_path, content):
    path = tmp_path / "weights.h5"
    path.write_bytes(content)
    before = small.get_weights()[0]
    with pytest.raises(UserError, match=r"weights\.h5: expected Keras weights of v2b0"):
        weights.load_backbone(small, "v2b0", str(path))
    np.testing.assert_array_equal(small.get_weights()[0], before)


def test_weights_of_another_model_are_refused(small, tmp_path):
    # Where names differ Keras only warns and leaves the weights as they are.
    path = str(tmp_path / "other.weights.h5")
    images = keras.Input((32, 32, 3))
    keras.Model(images, keras.layers.Conv2D(2, 1)(images)).save_weights(path)
    before = small.get_weights()[0]
    with pytest.raises(UserError, match="expected Keras weights of v2b0"):
        weights.load_backbone(small, "v2b0", path)
    np.testing.assert_array_equal(small.get_weights()[0], before)


def test_where_to_put_a_file_that_cannot_be_fetched(small, tmp_path, monkeypatch):
    def no_network(*arguments, **options):
        raise Exception("URL fetch failure")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras.utils, "get_file", no_network)
    place = re.escape(str(tmp_path / "models" / "efficientnetv2-b0_notop.h5"))
    with pytest.raises(UserError, match=f"could not fetch https://.* put that file at {place}"):
        weights.load_backbone(small, "v2b0", "imagenet")
    with pytest.raises(UserError, match=r"no imagenet weights of v2xl; .*efficientnetv2-xl-21k"):
        weights.load_backbone(small, "v2xl", "imagenet")


def test_help_is_quick_because_it_imports_no_tensorflow():
    code = "import sys, glrtf.weights, glrtf.train; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
