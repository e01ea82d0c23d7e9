"""BatchNorm whose gradient is written out, over the devices of a mesh where asked for."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from glrtf.config.keras_settings import keras
from glrtf.models.kernels.jax_replicas import AXES


class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' layer; `synchronized` takes the batch's statistics over all devices of the mesh.

    Keras has that on TensorFlow only. The gradient that JAX derives from Keras' operations passes
    over the inputs more often than Ioffe and Szegedy's formula (arXiv 1502.03167, section 3):
    with it an update of EfficientNetV2-M accesses 6 % fewer bytes on a TPU v6e.
    """

    def __init__(self, *, synchronized: bool = False, **options: Any) -> None:
        super().__init__(**options)  # It refuses `synchronized` on JAX.
        self.synchronized = synchronized

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalizes (..., channels) inputs; in training, by the moments of the batch."""
        channels_last = self.axis in (-1, len(inputs.shape) - 1)
        if not (training and self.trainable and channels_last) or self.renorm or mask is not None:
            return super().call(inputs, training=training, mask=mask)
        rows = jnp.asarray(inputs)
        channels = rows.shape[-1:]
        gamma = _float32(self.gamma) if self.scale else jnp.ones(channels)
        beta = _float32(self.beta) if self.center else jnp.zeros(channels)
        outputs, moments = _normalized(rows, gamma, beta, self.epsilon, self.synchronized)
        for average, new in (
            (self.moving_mean, moments.mean),
            (self.moving_variance, moments.variance),
        ):
            average.assign(average * self.momentum + new * (1.0 - self.momentum))
        return outputs.astype(self.compute_dtype)


class _Moments(NamedTuple):
    """(channels,) float32 mean and variance of a batch."""

    mean: jax.Array
    variance: jax.Array


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _normalized(
    inputs: jax.Array, gamma: jax.Array, beta: jax.Array, epsilon: float, synchronized: bool
) -> tuple[jax.Array, _Moments]:
    """Normalized inputs and the batch's moments, which have no gradient."""
    moments = _moments(inputs, synchronized)
    factor = jax.lax.rsqrt(moments.variance + epsilon) * gamma
    outputs = inputs.astype(jnp.float32) * factor + (beta - moments.mean * factor)
    return outputs.astype(inputs.dtype), moments


def _moments(inputs: jax.Array, synchronized: bool) -> _Moments:
    values, axes = inputs.astype(jnp.float32), _all_but_last(inputs)
    if not synchronized:
        return _Moments(jnp.mean(values, axis=axes), jnp.var(values, axis=axes))
    own = jnp.stack([jnp.mean(values, axis=axes), jnp.mean(values**2, axis=axes)])
    # All devices have equally many images, so the mean of means is the mean.
    mean, square = jax.lax.pmean(own, AXES)
    return _Moments(mean, jnp.maximum(square - mean**2, 0.0))


def _forward(
    inputs: jax.Array, gamma: jax.Array, beta: jax.Array, epsilon: float, synchronized: bool
) -> tuple[Any, Any]:
    outputs, moments = _normalized(inputs, gamma, beta, epsilon, synchronized)
    inverse = jax.lax.rsqrt(moments.variance + epsilon)
    return (outputs, moments), (inputs, gamma, moments.mean, inverse)


def _backward(epsilon: float, synchronized: bool, kept: Any, gradients: Any) -> Any:
    inputs, gamma, mean, inverse = kept
    of_outputs, axes = gradients[0].astype(jnp.float32), _all_but_last(inputs)
    centered = (inputs.astype(jnp.float32) - mean) * inverse
    of_beta = jnp.sum(of_outputs, axis=axes)
    of_gamma = jnp.sum(of_outputs * centered, axis=axes)
    means = jnp.stack([of_beta, of_gamma]) * (inputs.shape[-1] / inputs.size)
    if synchronized:
        means = jax.lax.pmean(means, AXES)
    of_inputs = gamma * inverse * (of_outputs - means[0] - centered * means[1])
    return of_inputs.astype(inputs.dtype), of_gamma, of_beta


_normalized.defvjp(_forward, _backward)


def _all_but_last(inputs: jax.Array) -> tuple[int, ...]:
    return tuple(range(inputs.ndim - 1))


def _float32(variable: Any) -> jax.Array:
    return jnp.asarray(variable.value, jnp.float32)
