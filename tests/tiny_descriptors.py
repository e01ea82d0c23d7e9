"""Models of other projects, small enough to know their rows: the mean colour of a photo."""

import numpy as np


def mean_colour(images, mean=0.0, std=1.0, scale=255.0):
    """Rows of length 1, (n, 3), that all models here must give for uint8 images."""
    rows = ((images.astype(np.float64) / scale - mean) / std).mean((1, 2))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def write_onnx(
    path, *, dtype="float32", layout="nchw", size=16, batch="n", two_outputs=False, maps=False
):
    """An ONNX file of the images' mean; `maps` gives the images themselves as feature maps."""
    import onnx
    from onnx import TensorProto, helper

    kinds = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8}
    shape = [batch, 3, size, size] if layout == "nchw" else [batch, size, size, 3]
    axes = [2, 3] if layout == "nchw" else [1, 2]
    nodes = [helper.make_node("Cast", ["image"], ["values"], to=TensorProto.FLOAT)]
    made = helper.make_tensor("axes", TensorProto.INT64, [2], axes)
    if maps:
        nodes.append(helper.make_node("Identity", ["values"], ["features"]))
        outputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, shape)]
    else:
        nodes.append(helper.make_node("ReduceMean", ["values", "axes"], ["features"], keepdims=0))
        outputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, [batch, 3])]
    if two_outputs:
        nodes.append(helper.make_node("Neg", ["features"], ["logits"]))
        outputs.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, 3]))
    graph = helper.make_graph(
        nodes,
        "mean",
        [helper.make_tensor_value_info("image", kinds[dtype], shape)],
        outputs,
        [] if maps else [made],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(path))
    return str(path)


def write_saved_model(path, *, size=16, signatures=("serving_default",)):
    """A SavedModel that takes float images and gives their mean, and its negative as `logits`."""
    import tensorflow as tf

    class Mean(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, size, size, 3], tf.float32, "pixels")])
        def embed(self, pixels):
            return {"features": tf.reduce_mean(pixels, [1, 2])}

    module = Mean()
    tf.saved_model.save(module, str(path), dict.fromkeys(signatures, module.embed))
    return str(path)


def write_keras(path, *, size=16):
    """A .keras file of maps: the images themselves."""
    import keras

    images = keras.Input((size, size, 3), name="pixels")
    keras.Model(images, keras.layers.Activation("linear", name="maps")(images)).save(str(path))
    return str(path)


def write_tflite(path, *, size=16):
    """A TFLite file, with a signature, that takes float images and gives their mean."""
    import tensorflow as tf

    module = tf.Module()
    module.embed = tf.function(
        lambda pixels: {"features": tf.reduce_mean(pixels, [1, 2])},
        input_signature=[tf.TensorSpec([None, size, size, 3], tf.float32, "pixels")],
    )
    found = module.embed.get_concrete_function()
    content = tf.lite.TFLiteConverter.from_concrete_functions([found], module).convert()
    with open(path, "wb") as file:
        file.write(content)
    return str(path)


def embed(images):
    """What ``tiny_descriptors:embed`` means."""
    return np.asarray(images, np.float64).mean((1, 2))


def write_conv_onnx(path, *, dimension=8, seed=0, size=None):
    """An ONNX file with one convolution of random weights, its means the row; any size without."""
    import onnx
    from onnx import TensorProto, helper

    weights = np.random.default_rng(seed).normal(size=(dimension, 3, 5, 5)).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["image"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["values", "weights"], ["maps"], strides=[2, 2]),
        helper.make_node("Relu", ["maps"], ["positive"]),
        helper.make_node("ReduceMean", ["positive", "axes"], ["features"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "conv",
        [
            helper.make_tensor_value_info(
                "image", TensorProto.UINT8, ["n", 3, size or "h", size or "w"]
            )
        ],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", dimension])],
        [
            helper.make_tensor("weights", TensorProto.FLOAT, weights.shape, weights.ravel()),
            helper.make_tensor("axes", TensorProto.INT64, [2], [2, 3]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(path))
    return str(path)
