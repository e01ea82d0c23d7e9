"""What heads compute on JAX: masks in place of gathers and scatters, which XLA never stores.

The functions, arguments and results are those of `on_tensorflow`.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from glrtf.config.keras_settings import keras
from glrtf.models.kernels.jax_replicas import Replicas

_SMALLEST_SQUARED_NORM = 1e-12


@jax.custom_vjp
def cosines(embeddings: jax.Array, weights: jax.Array) -> jax.Array:
    """Cosines between unit embeddings and class weights of any length.

    Args:
        embeddings: `(batch, dimension)` float32 of unit rows.
        weights: `(classes, dimension)` float32.

    Returns:
        `(batch, classes)` float32.
    """
    return _cosines(embeddings, weights)[0]


def _inverse_lengths(weights: jax.Array) -> jax.Array:
    return jax.lax.rsqrt(jnp.maximum(jnp.sum(weights**2, axis=1), _SMALLEST_SQUARED_NORM))


def _cosines(embeddings: jax.Array, weights: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    result = _product(embeddings, weights.T) * _inverse_lengths(weights)
    return result, (embeddings, weights, result)


def _cosines_gradient(
    kept: tuple[jax.Array, ...], upstream: jax.Array
) -> tuple[jax.Array, jax.Array]:
    embeddings, weights, result = kept
    inverse = _inverse_lengths(weights)
    scaled = upstream * inverse
    # d cos / d w = (x - cos · w / |w|) / |w|; the second term summed over the batch.
    radial = jnp.sum(scaled * result, axis=0) * inverse
    to_weights = _product(scaled.T, embeddings) - radial[:, None] * weights
    return _product(scaled, weights), to_weights


cosines.defvjp(_cosines, _cosines_gradient)


def _product(left: jax.Array, right: jax.Array) -> jax.Array:
    # A TPU would multiply in bfloat16, and a GPU in TensorFloat-32.
    return jnp.matmul(left, right, precision=jax.lax.Precision.HIGHEST)


def bend_true_logits(
    cosine: jax.Array,
    columns: jax.Array,
    scale: float,
    bend: Callable[[jax.Array], jax.Array],
) -> jax.Array:
    """`scale · cos`, the true class's cosine bent first; `(batch, classes)` float32."""
    replaced = bend(true_values(cosine, columns))
    return with_true_values(cosine, columns, replaced) * scale


def true_values(values: jax.Array, columns: jax.Array) -> jax.Array:
    """Each row's value in a column: `(batch, classes)`, `(batch,)` -> `(batch,)`."""
    return jnp.sum(jnp.where(_is_column(values, columns), values, 0.0), axis=1)


def with_true_values(values: jax.Array, columns: jax.Array, replaced: jax.Array) -> jax.Array:
    """`(batch, classes)` with each row's value in a column replaced, `(batch,)` each."""
    return jnp.where(_is_column(values, columns), replaced[:, None], values)


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Cross entropy of the softmax over all classes, `(batch,)`."""
    return jax.nn.logsumexp(logits, axis=1) - true_values(logits, labels)


def split_cross_entropy(
    logits: jax.Array,
    columns: jax.Array,
    masked: Callable[[jax.Array], jax.Array],
    replicas: Replicas,
) -> jax.Array:
    """Cross entropy over all replicas' classes, `(batch,)`, equal on all replicas."""
    highest = replicas.largest(jnp.max(logits, axis=1))
    whole = replicas.shared_total(jnp.sum(jnp.exp(logits - highest[:, None]), axis=1))
    true = replicas.shared_total(masked(true_values(logits, columns) - highest))
    return jnp.log(whole) - true


def largest_column(values: jax.Array, dtype: jnp.dtype) -> jax.Array:
    """In which column each row is largest, the first of equals; `(batch,)` of an integer type."""
    return jnp.argmax(values, axis=1).astype(dtype)


def unit_rows(rows: jax.Array) -> jax.Array:
    """The rows, each of length 1; a row of zeros stays so. `(batch, d)` float32."""
    rows = jnp.asarray(rows, jnp.float32)
    return rows * jax.lax.rsqrt(jnp.maximum(jnp.sum(rows**2, axis=-1, keepdims=True), 1e-12))


def adam_step(
    weights: Any,
    moments: tuple[Any, Any],
    gradient: jax.Array,
    rate: jax.Array,
    powers: tuple[jax.Array, jax.Array],
    betas: tuple[float, float],
    epsilon: float,
) -> None:
    """One update of Adam of Keras variables; see `on_tensorflow.adam_step`."""
    first, second = moments
    alpha = rate * jnp.sqrt(1 - powers[1]) / (1 - powers[0])
    first.assign_add((gradient - first.value) * (1 - betas[0]))
    second.assign_add((jnp.square(gradient) - second.value) * (1 - betas[1]))
    weights.assign_sub(first.value * alpha / (jnp.sqrt(second.value) + epsilon))


def tensor_of(variable: Any) -> jax.Array:
    """A Keras variable's value."""
    return jnp.asarray(keras.ops.convert_to_tensor(variable))


def _is_column(values: jax.Array, columns: jax.Array) -> jax.Array:
    places = jax.lax.broadcasted_iota(columns.dtype, values.shape, 1)
    return places == columns[:, None]
