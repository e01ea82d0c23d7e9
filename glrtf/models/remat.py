"""Rematerialisation (Chen et al., arXiv 1604.06174): the backward pass recomputes activations.

Of each block only its input is kept; the rest is computed again when its turn
comes. Memory of activations falls to about that of one block and all the blocks'
inputs, for one more forward pass.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

from glrtf.models.backbones import deep_recursion
from glrtf.models.keras_settings import keras


class RematerialisedModel:
    """Calls an embedding model block by block, each one's activations forgotten.

    Results and gradients are those of the model itself: the same layers are used,
    dropout draws the same numbers again, and BatchNorm statistics move once.

    Args:
        model: Of `build_embedding_model`.
    """

    def __init__(self, model: keras.Model) -> None:
        [backbone] = [layer for layer in model.layers if isinstance(layer, keras.Model)]
        with deep_recursion():
            self._segments = _segments(backbone)
            self._tail = keras.Model(model.get_layer("pooling").input, model.output)

    def __call__(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """As the model's own call: float images in [0, 1] to unit rows."""
        x = images
        for segment in self._segments:
            x = _apply(segment, x, training)
        return self._tail(x, training=training)


def _segments(backbone: keras.Model) -> list[keras.Model]:
    """The backbone cut after each block; stem and top go with their neighbours."""
    ends: dict[str, keras.KerasTensor] = {}
    for layer in backbone.layers:
        prefix = layer.name.partition("_")[0]
        if prefix.startswith("block"):
            ends[prefix] = layer.output
    outputs = [*list(ends.values())[:-1], backbone.output]
    inputs = [backbone.input, *outputs[:-1]]
    return [keras.Model(i, o) for i, o in zip(inputs, outputs, strict=True)]


def _apply(segment: keras.Model, x: tf.Tensor, training: bool) -> tf.Tensor:
    """A segment on x; its statistics are assigned, its activations are not kept."""
    weights = [tf.convert_to_tensor(v) for v in segment.trainable_variables]
    state = [tf.convert_to_tensor(v) for v in segment.non_trainable_variables]

    def run(x: tf.Tensor, weights: Sequence[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        return segment.stateless_call(weights, state, x, training=training)

    output, moved = _rematerialise(run, x, weights)
    for variable, value in zip(segment.non_trainable_variables, moved, strict=True):
        variable.assign(value)
    return output


def _rematerialise(
    run: Callable[[tf.Tensor, Sequence[tf.Tensor]], tuple[tf.Tensor, list[tf.Tensor]]],
    x: tf.Tensor,
    weights: Sequence[tf.Tensor],
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """What `run` gives; its gradient runs it once more."""
    moved: list[tf.Tensor] = []

    @tf.custom_gradient
    def forgetting(x: tf.Tensor, *weights: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        output, state = run(x, weights)
        moved.extend(state)

        def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
            again = _after(x, upstream)
            with tf.GradientTape() as tape:
                tape.watch([again, *weights])
                output, _ = run(again, weights)
            return tape.gradient(output, [again, *weights], upstream, unconnected_gradients="zero")

        return output, gradient

    return forgetting(x, *weights), moved


def _after(x: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    """The value of `x`, but known only once `upstream` is.

    A compiler would else find the second run equal to the first, and keep the
    first one's activations. Control dependencies do not stop XLA; a sum with what
    is zero, of which it does not know that, does.
    """
    one = tf.reshape(upstream, [-1])[0]
    zero = tf.minimum(tf.abs(one), tf.zeros_like(one))
    return x + tf.cast(zero, x.dtype)
