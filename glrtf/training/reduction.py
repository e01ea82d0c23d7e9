"""The one reduction of an update's gradients over the replicas."""

from collections.abc import Sequence

import tensorflow as tf

from glrtf.config.keras_settings import keras
from glrtf.models.class_shards import shards_of


def reduce_gradients(
    variables: Sequence[keras.Variable], gradients: Sequence[tf.Tensor]
) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Adds the replicas' gradients; call it inside `strategy.run`.

    The gradient of a variable that is split over the replicas is already a sum over all images, on
    the replica that holds the part, and stays unchanged.

    Args:
        variables: The trainable ones.
        gradients: This replica's, one per variable, times the weight of its images.

    Returns:
        The gradients to apply, and the norm of the whole gradient, each part
        counted once: a float32 scalar, equal on all replicas.
    """
    context = tf.distribute.get_replica_context()
    is_split = [shards_of(variable) is not None for variable in variables]
    shared = [g for g, split in zip(gradients, is_split, strict=True) if not split]
    reduced = context.all_reduce(tf.distribute.ReduceOp.SUM, shared)
    norm = tf.linalg.global_norm(reduced)
    if any(is_split):
        own = [g for g, split in zip(gradients, is_split, strict=True) if split]
        of_parts = tf.square(tf.linalg.global_norm(own))
        if context.num_replicas_in_sync > 1:
            of_parts = context.all_reduce(tf.distribute.ReduceOp.SUM, of_parts)
        norm = tf.sqrt(tf.square(norm) + of_parts)
    sums = iter(reduced)
    result = [g if split else next(sums) for g, split in zip(gradients, is_split, strict=True)]
    return result, norm
