"""Rematerialisation (Chen et al., arXiv 1604.06174): the backward pass recomputes activations.

Of each block only its input is kept; the rest is computed again when its turn
comes. Memory of activations falls to about that of one block and all the blocks'
inputs, for one more forward pass.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

from glrtf.config.keras_settings import keras
from glrtf.models import kernels
from glrtf.models.backbones import deep_recursion

Tensor: TypeAlias = Any


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

    def __call__(self, images: Tensor, training: bool = False) -> Tensor:
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


def _apply(segment: keras.Model, x: Tensor, training: bool) -> Tensor:
    """A segment on x; its statistics are assigned, its activations are not kept."""
    weights = [kernels.tensor_of(v) for v in segment.trainable_variables]
    state = [kernels.tensor_of(v) for v in segment.non_trainable_variables]

    def run(x: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        return segment.stateless_call(weights, state, x, training=training)

    output, moved = kernels.rematerialise(run, x, weights)
    for variable, value in zip(segment.non_trainable_variables, moved, strict=True):
        variable.assign(value)
    return output
