import keras
import tensorflow as tf

from glrtf.planning.graph_cost import GraphCost, graph_cost


def traced_cost(
    layers: list[keras.Layer], shape: tuple[int, ...], *, fused: bool = True
) -> GraphCost:
    model = keras.Sequential([keras.Input(shape[1:]), *layers])

    @tf.function
    def one_pass(images: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model(images, training=True))
        return loss, tape.gradient(loss, model.trainable_variables)

    graph = one_pass.get_concrete_function(tf.TensorSpec(shape)).graph
    return graph_cost(graph, fused=fused)


def test_a_dense_layer() -> None:
    # 8 rows of 16 numbers to 32: 2 * 8 * 16 * 32 forward; the same for the
    # weights' gradient; none for the input's, which is not needed.
    cost = traced_cost([keras.layers.Dense(32, use_bias=False)], (8, 16))
    assert cost.forward_flops == 8192
    assert cost.backward_flops == 8192


def test_two_convolutions() -> None:
    # First: 3x3, 3 -> 8 on 16x16: 2 * 16*16*8 * 3*3*3 = 110,592 a photo.
    # Second: 1x1, 8 -> 4: 2 * 16*16*4 * 8 = 16,384. Two photos.
    # Backward: filters of both, input of the second only.
    layers = [
        keras.layers.Conv2D(8, 3, padding="same", use_bias=False),
        keras.layers.Conv2D(4, 1, use_bias=False),
    ]
    cost = traced_cost(layers, (2, 16, 16, 3))
    assert cost.forward_flops == 2 * (110_592 + 16_384)
    assert cost.backward_flops == 2 * (110_592 + 2 * 16_384)
    # The second filter's gradient reads the first's result: 2*16*16*8 floats.
    # The mean's gradient reads the mean, one float.
    assert cost.kept_bytes == 2 * 16 * 16 * 8 * 4 + 4


def test_a_depthwise_convolution_and_its_activation() -> None:
    # 3x3 on 8x8x6: 2 * 8*8*6 * 9 = 6,912 forward and for the filter's gradient.
    # The activation's gradient goes back to the convolution's result, once; the
    # mean's to the mean, one float.
    layers = [
        keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False),
        keras.layers.Activation("swish"),
    ]
    cost = traced_cost(layers, (1, 8, 8, 6))
    assert (cost.forward_flops, cost.backward_flops) == (6_912, 6_912)
    assert cost.kept_bytes == 8 * 8 * 6 * 4 + 4


def test_what_is_kept_where_nothing_is_fused() -> None:
    # Compiled, the second filter's gradient repeats the activation on the first's result,
    # 8*8*4 floats; else the activation's result is kept too. The mean is one float.
    layers = [
        keras.layers.Conv2D(4, 3, padding="same", use_bias=False),
        keras.layers.Activation("swish"),
        keras.layers.Conv2D(2, 1, use_bias=False),
    ]
    one = 8 * 8 * 4 * 4
    assert traced_cost(layers, (1, 8, 8, 3)).kept_bytes == one + 4
    assert traced_cost(layers, (1, 8, 8, 3), fused=False).kept_bytes == 2 * one + 4


def test_costs_are_proportional_to_the_batch() -> None:
    layers = [keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization(), keras.layers.ReLU()]
    one, four = (traced_cost(layers, (batch, 12, 12, 3)) for batch in (1, 4))
    assert four.forward_flops == 4 * one.forward_flops
    assert four.backward_flops == 4 * one.backward_flops
    assert four.kept_bytes <= 4 * one.kept_bytes
