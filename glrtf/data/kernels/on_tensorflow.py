"""Random draws and look-ups of augmentation on TensorFlow; stateless, so XLA compiles them."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import tensorflow as tf

Tensor: TypeAlias = tf.Tensor


def step_seed(seed: int, step: Tensor | int, replica: Tensor | int = 0) -> Tensor:
    """The seed of one replica at one step, int32 (2,): no two of them draw alike.

    Args:
        seed: The run's seed.
        step: Scalar, the number of the optimizer step or micro-batch.
        replica: Scalar, this replica's number.
    """
    step, replica = tf.cast(step, tf.int32), tf.cast(replica, tf.int32)
    return fold_in(fold_in(tf.constant([seed, 0], tf.int32), step), replica)


def fold_in(seed: Tensor, number: Tensor | int) -> Tensor:
    """Another seed for each number."""
    return tf.random.fold_in(seed, number)


def split_seed(seed: Tensor) -> tuple[Tensor, Tensor]:
    """Two seeds from one."""
    first, second = tf.unstack(tf.random.split(seed, 2))
    return first, second


def uniform(
    seed: Tensor, shape: Sequence[Tensor | int], low: float = 0.0, high: float = 1.0
) -> Tensor:
    """Float32 draws from [low, high)."""
    return tf.random.stateless_uniform(shape, seed, low, high)


def integers(seed: Tensor, shape: Sequence[Tensor | int], high: Tensor | int) -> Tensor:
    """Int32 draws from [0, high)."""
    return tf.random.stateless_uniform(shape, seed, 0, high, tf.int32)


def normal(seed: Tensor, shape: Sequence[Tensor | int]) -> Tensor:
    """Float32 draws of mean 0 and deviation 1."""
    return tf.random.stateless_normal(shape, seed)


def one_by_one(
    branches: Sequence[Callable[[Tensor, Tensor], Tensor]],
    images: Tensor,
    which: Tensor,
    strengths: Tensor,
) -> Tensor:
    """Applies to each image the branch of its number, and only that.

    Args:
        branches: From `(1, h, w, 3)` and `(1,)` to `(1, h, w, 3)`.
        images: Float (b, h, w, 3).
        which: int32 (b,).
        strengths: Float (b,).
    """

    def one(drawn: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        image, number, strength = drawn[0][None], drawn[1], drawn[2][None]
        calls = [lambda branch=branch: branch(image, strength) for branch in branches]
        return tf.switch_case(tf.cast(number, tf.int32), calls)[0]

    return tf.map_fn(one, (images, which, strengths), fn_output_signature=images.dtype)


def counts_of_levels(rows: Tensor, levels: int) -> Tensor:
    """How often each level comes in each row: int32 (n, m) in [0, levels) -> (n, levels)."""
    count = tf.shape(rows)[0]
    bins = rows + levels * tf.range(count)[:, None]
    counts = tf.math.unsorted_segment_sum(tf.ones_like(bins), bins, count * levels)
    return tf.reshape(counts, [count, levels])


def looked_up(table: Tensor, places: Tensor) -> Tensor:
    """Each row's entries at its places: (n, m), int32 (n, …) -> (n, …)."""
    return tf.gather(table, places, batch_dims=1)


def blended_neighbours(images: Tensor, left: Tensor, right: Tensor, share: Tensor) -> Tensor:
    """Two columns of each row, looked up and blended.

    Args:
        images: Float32 (b, h, w, c).
        left: int32 (b, h, u), or (b, 1, u) for all rows alike.
        right: As `left`.
        share: How much of the right one, float32, (…, 1) behind the same axes.

    Returns:
        Float32 (b, h, u, c).
    """
    if left.shape[1] == 1:
        before = tf.gather(images, left[:, 0], axis=2, batch_dims=1)
        after = tf.gather(images, right[:, 0], axis=2, batch_dims=1)
    else:
        before = tf.gather(images, left, batch_dims=2)
        after = tf.gather(images, right, batch_dims=2)
    return before * (1 - share) + after * share


def multiplied(weights: Tensor, values: Tensor) -> Tensor:
    """Batched matrices (…, u, v) times (…, v, n), in one pass of a TPU's multiplier.

    Not `tf.matmul`, whose precision is the process's: where that is float32, as for a
    head's logits, a TPU takes six passes.
    """
    # Not at the top: the module loads a library of its own, which only this needs.
    from tensorflow.compiler.tf2xla.python import xla

    dims = xla.DotDimensionNumbers()
    batch = range(weights.shape.rank - 2)
    dims.lhs_batch_dimensions.extend(batch)
    dims.rhs_batch_dimensions.extend(batch)
    dims.lhs_contracting_dimensions.append(len(batch) + 1)
    dims.rhs_contracting_dimensions.append(len(batch))
    return xla.dot_general(weights, values, dims)


def stored(values: Tensor) -> Tensor:
    """The same values, which XLA stores once instead of computing them at each use.

    Only in functions that XLA compiles.
    """
    from tensorflow.compiler.tf2xla.python import xla

    return xla.optimization_barrier(values)[0]
