"""Cosines between embeddings and class weights, in little more memory than the weights' own."""

from collections.abc import Callable

import tensorflow as tf

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
