import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from glrtf.inference import formats
from tfrecords_tools.errors import UserError

SIZE = 32


@pytest.mark.parametrize(("kind", "module"), [("onnx", "tf2onnx"), ("tflite", "ai_edge_litert")])
def test_a_file_gives_the_models_rows_for_any_number_of_images(model, tmp_path, kind, module):
    # A layer's fixed mean and variance are tensors that the graph captures, not variables; swish
    # has a gradient of its own, which captures one too.
    images = keras.Input((SIZE, SIZE, 3))
    fixed = keras.layers.Normalization(mean=[0.4, 0.5, 0.6], variance=[0.1, 0.2, 0.3])
    swish = keras.layers.Activation("swish")
    model = keras.Model(images, model(swish(fixed(images))))
    pytest.importorskip(module, reason=f"pip install '.[{kind}]'")
    path = str(tmp_path / f"model.{kind}")
    assert 0 < formats.export_file(model, SIZE, path, kind) <= 1e-5
    load = {"onnx": formats._run_onnx, "tflite": formats._run_tflite}[kind]
    images = np.random.default_rng(1).integers(0, 256, (5, SIZE, SIZE, 3), np.uint8)
    expected = model(images.astype(np.float32) / 255, training=False)
    np.testing.assert_allclose(load(path)(images), expected, atol=1e-5)


def test_a_file_that_disagrees_is_not_kept(model, tmp_path, monkeypatch):
    pytest.importorskip("ai_edge_litert", reason="pip install '.[tflite]'")
    path = tmp_path / "model.tflite"
    path.write_bytes(b"what was there")
    # The converted function's rows point the other way; the comparison must see it.
    honest = formats._to_tflite
    signature = tf.TensorSpec([None, SIZE, SIZE, 3], tf.uint8, name="images")

    def wrong(embed):
        turned = lambda images: {"embedding": -embed(images)["embedding"]}  # noqa: E731
        return honest(tf.function(turned, input_signature=[signature]))

    monkeypatch.setattr(formats, "_to_tflite", wrong)
    with pytest.raises(ArithmeticError, match="expected embeddings within 1e-05"):
        formats.export_file(model, SIZE, str(path), "tflite")
    assert path.read_bytes() == b"what was there"


@pytest.mark.parametrize(("kind", "module"), [("onnx", "tf2onnx"), ("onnx", "onnxruntime")])
def test_what_is_missing_is_named(model, tmp_path, monkeypatch, kind, module):
    monkeypatch.setitem(sys.modules, module, None)
    if module == "onnxruntime":
        pytest.importorskip("tf2onnx", reason="pip install '.[onnx]'")
    with pytest.raises(UserError, match=rf"{module}, found none; .*pip install .*'\.\[{kind}\]'"):
        formats.export_file(model, SIZE, str(tmp_path / "model"), kind)
    assert not (tmp_path / "model").exists()
