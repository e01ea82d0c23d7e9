"""What models compute that one formula for both engines would slow down, under one name each.

TensorFlow gathers and scatters single values in its own kernels, and would hold every mask of a
matrix of logits. XLA, which compiles all of JAX's steps, computes masks where they are used and
scatters value by value. On a TPU and over a split class axis only masks will do.
"""

from glrtf.config.keras_settings import ON_JAX, keras

if ON_JAX:
    from glrtf.models.kernels.jax_activations import sigmoid, swish
    from glrtf.models.kernels.jax_norm import BatchNormalization
    from glrtf.models.kernels.jax_remat import rematerialise
    from glrtf.models.kernels.jax_replicas import LoneReplica, Replicas
    from glrtf.models.kernels.on_jax import (
        adam_step,
        bend_true_logits,
        cosines,
        cross_entropy,
        largest_column,
        split_cross_entropy,
        tensor_of,
        true_values,
        unit_rows,
        with_true_values,
    )
else:
    sigmoid, swish = keras.activations.sigmoid, keras.activations.silu
    from glrtf.models.kernels.on_tensorflow import (  # type: ignore[assignment]
        adam_step,
        bend_true_logits,
        cosines,
        cross_entropy,
        largest_column,
        split_cross_entropy,
        tensor_of,
        true_values,
        unit_rows,
        with_true_values,
    )
    from glrtf.models.kernels.tensorflow_norm import BatchNormalization
    from glrtf.models.kernels.tensorflow_remat import rematerialise
    from glrtf.models.kernels.tensorflow_replicas import (  # type: ignore[assignment]
        LoneReplica,
        Replicas,
    )

__all__ = [
    "BatchNormalization",
    "LoneReplica",
    "Replicas",
    "adam_step",
    "bend_true_logits",
    "cosines",
    "cross_entropy",
    "largest_column",
    "rematerialise",
    "sigmoid",
    "split_cross_entropy",
    "swish",
    "tensor_of",
    "true_values",
    "unit_rows",
    "with_true_values",
]
