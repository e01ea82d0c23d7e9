"""What heads compute on TensorFlow: gathers and scatters, and as few matrices as can be."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from glrtf.models.kernels.tensorflow_replicas import Replicas

_SMALLEST_SQUARED_NORM = 1e-12


@tf.custom_gradient
def cosines(embeddings: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Cosines between unit embeddings and class weights of any length.

    The product with the raw weights is divided by their lengths afterwards:
    forward and backward hold the weights, their gradient and one passing copy,
    never a normalised copy in between.

    Args:
        embeddings: `(batch, dimension)` float32 of unit rows.
        weights: `(classes, dimension)` float32.

    Returns:
        `(batch, classes)` float32.
    """
    inverse = tf.math.rsqrt(
        tf.maximum(tf.reduce_sum(tf.square(weights), axis=1), _SMALLEST_SQUARED_NORM)
    )
    result = tf.matmul(embeddings, weights, transpose_b=True) * inverse

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        scaled = upstream * inverse
        # d cos / d w = (x - cos · w / |w|) / |w|; the second term summed over the batch.
        radial = tf.reduce_sum(scaled * result, axis=0) * inverse
        to_embeddings = tf.matmul(scaled, weights)
        to_weights = tf.matmul(scaled, embeddings, transpose_a=True)
        # The passing copy waits until nothing of the logits' size is needed any more. (XLA
        # makes no copy, and knows no such order.)
        with tf.control_dependencies([radial, to_embeddings, to_weights]):
            to_weights -= radial[:, tf.newaxis] * weights
        return to_embeddings, to_weights

    return result, gradient


def bend_true_logits(
    cosine: tf.Tensor,
    labels: tf.Tensor,
    scale: float,
    bend: Callable[[tf.Tensor], tf.Tensor],
) -> tf.Tensor:
    """`scale · cos`, the true class's cosine bent first.

    Args:
        cosine: `(batch, classes)` float32.
        labels: `(batch,)` int, each in [0, classes).
        scale: The factor s on all logits.
        bend: From the true cosines `(batch,)` to their replacements.

    Returns:
        `(batch, classes)` float32 logits.
    """
    places = tf.stack([tf.range(tf.shape(labels)[0], dtype=labels.dtype), labels], axis=1)

    # Autodiff would build a matrix of zeros for the gather and another for the
    # scatter; only the true entries' slope differs from `scale`.
    @tf.custom_gradient
    def bent(cosine: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        true = tf.gather_nd(cosine, places)
        with tf.GradientTape() as tape:
            tape.watch(true)
            replaced = bend(true)
        slope = tape.gradient(replaced, true)
        logits = tf.tensor_scatter_nd_update(cosine * scale, places, replaced * scale)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            at_true = tf.gather_nd(upstream, places) * slope * scale
            return tf.tensor_scatter_nd_update(upstream * scale, places, at_true)

        return logits, gradient

    return bent(cosine)


def true_values(values: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Each row's value in a column: `(batch, classes)`, `(batch,)` -> `(batch,)`."""
    return tf.gather(values, columns, axis=1, batch_dims=1)


def with_true_values(values: tf.Tensor, columns: tf.Tensor, replaced: tf.Tensor) -> tf.Tensor:
    """`(batch, classes)` with each row's value in a column replaced, `(batch,)` each."""
    return tf.tensor_scatter_nd_update(values, _places(columns), replaced)


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Cross entropy of the softmax over all classes, `(batch,)`."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)


def split_cross_entropy(
    logits: tf.Tensor,
    columns: tf.Tensor,
    masked: Callable[[tf.Tensor], tf.Tensor],
    replicas: Replicas,
) -> tf.Tensor:
    """Cross entropy over all replicas' classes, `(batch,)`, equal on all replicas.

    Args:
        logits: `(batch, size)` of this replica's classes, tiny where a column is no class.
        columns: Where each label's lies, `(batch,)`.
        masked: `(batch,)` values, zero for labels of other replicas.
        replicas: Those that the classes are split over.
    """
    places = _places(columns)

    @tf.custom_gradient
    def entropy(logits: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        largest = tf.reduce_max(logits, axis=1)
        summed = tf.reduce_sum(tf.exp(logits - largest[:, tf.newaxis]), axis=1)
        true = masked(tf.gather_nd(logits, places))
        found = replicas.gather(tf.stack([largest, summed, true]))
        highest = tf.reduce_max(found[:, 0], axis=0)
        whole = tf.reduce_sum(found[:, 1] * tf.exp(found[:, 0] - highest), axis=0)
        losses = tf.math.log(whole) - (tf.reduce_sum(found[:, 2], axis=0) - highest)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            # Of the softmax: only the logits were kept.
            factor = upstream / whole
            shares = tf.exp(logits - highest[:, tf.newaxis]) * factor[:, tf.newaxis]
            return tf.tensor_scatter_nd_sub(shares, places, masked(upstream))

        return losses, gradient

    return entropy(logits)


def largest_column(values: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """In which column each row is largest, the first of equals; `(batch,)` of an integer type."""
    return tf.argmax(values, axis=1, output_type=dtype)


def unit_rows(rows: tf.Tensor) -> tf.Tensor:
    """The rows, each of length 1; a row of zeros stays so. `(batch, d)` float32."""
    return tf.math.l2_normalize(tf.cast(rows, tf.float32), axis=-1, epsilon=1e-12)


def adam_step(
    weights: tf.Variable,
    moments: tuple[Any, Any],
    gradient: tf.Tensor,
    rate: tf.Tensor,
    powers: tuple[tf.Tensor, tf.Tensor],
    betas: tuple[float, float],
    epsilon: float,
) -> None:
    """One update of Adam (Kingma and Ba, arXiv 1412.6980, the end of section 2), in one pass.

    Args:
        weights: Of any shape, float32; changed.
        moments: Keras variables of the first and second moments, of the same shape; changed.
        gradient: Of the same shape.
        rate: The learning rate, a scalar.
        powers: β₁ᵗ and β₂ᵗ of update t, scalars.
        betas: β₁ and β₂.
        epsilon: Added to the root of the second moment.
    """
    tf.raw_ops.ResourceApplyAdam(
        var=weights.handle,
        m=moments[0].value.handle,
        v=moments[1].value.handle,
        beta1_power=powers[0],
        beta2_power=powers[1],
        lr=rate,
        beta1=betas[0],
        beta2=betas[1],
        epsilon=epsilon,
        grad=gradient,
    )


def tensor_of(variable: Any) -> tf.Tensor:
    """A Keras variable's value as a tensor: Keras itself may give back a variable."""
    return tf.convert_to_tensor(variable)


def _places(columns: tf.Tensor) -> tf.Tensor:
    rows = tf.range(tf.shape(columns)[0], dtype=columns.dtype)
    return tf.stack([rows, columns], axis=1)
