"""BatchNorm over the devices of a mesh, which Keras has on TensorFlow only."""

from typing import Any

import jax
import jax.numpy as jnp

from glrtf.config.keras_settings import keras
from glrtf.models.kernels.jax_replicas import AXES


class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' layer; `synchronized` takes the batch's statistics over all devices of the mesh.

    All devices have equally many images, so the mean of means is the mean.
    """

    def __init__(self, *, synchronized: bool = False, **options: Any) -> None:
        super().__init__(**options)  # It refuses `synchronized` on JAX.
        self.synchronized = synchronized

    def _moments(self, inputs: jax.Array, mask: jax.Array | None) -> tuple[jax.Array, jax.Array]:
        if not self.synchronized or mask is not None:
            return super()._moments(inputs, mask)
        values = inputs.astype(jnp.float32)
        axes = tuple(self._reduction_axes)
        own = jnp.stack([jnp.mean(values, axis=axes), jnp.mean(values**2, axis=axes)])
        mean, square = jax.lax.pmean(own, AXES)
        variance = jnp.maximum(square - mean**2, 0.0)
        return mean.astype(inputs.dtype), variance.astype(inputs.dtype)
