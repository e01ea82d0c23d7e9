"""Angular margins: how the true class's cosine is bent, and by how much."""

from collections.abc import Callable, Sequence

import tensorflow as tf

# 1 - cos² of a float32 cosine is only known to about 1e-7; below, the slope of
# the square root is noise.
_SMALLEST_SQUARED_SINE = 1e-7


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


def add_angular_margin(cosine: tf.Tensor, margin: tf.Tensor | float) -> tf.Tensor:
    """cos(θ + m) while θ + m ≤ π, else cos θ − m·sin m (ArcFace, arXiv 1801.07698).

    The second branch keeps the function falling in θ. Slopes are finite at
    cos θ = ±1.

    Args:
        cosine: cos θ, any shape, float32; rounding beyond ±1 is cut off.
        margin: m in radians, of a shape that broadcasts.
    """
    cosine = tf.clip_by_value(cosine, -1.0, 1.0)
    squared_sine = (1.0 - cosine) * (1.0 + cosine)
    sine = tf.sqrt(tf.maximum(squared_sine, _SMALLEST_SQUARED_SINE))
    margin = tf.convert_to_tensor(margin, cosine.dtype)
    bent = cosine * tf.cos(margin) - sine * tf.sin(margin)
    # θ + m ≤ π  ⇔  cos θ ≥ cos(π − m) = −cos m.
    return tf.where(cosine >= -tf.cos(margin), bent, cosine - margin * tf.sin(margin))


def margins_from_counts(
    counts: Sequence[int], smallest: float = 0.05, largest: float = 0.5
) -> list[float]:
    """A margin for each class, larger for rarer ones, by 1 / √√count.

    As the winner of Google Landmark Retrieval 2021 (arXiv 2110.03786's line of
    dynamic margins): m = a · count^(-1/4) + b, with a and b such that the
    rarest class gets `largest` and the commonest `smallest`.

    Args:
        counts: Training images of each class; a class without any counts as 1.
        smallest: The commonest class's margin in radians.
        largest: The rarest class's margin in radians.
    """
    powers = [max(count, 1) ** -0.25 for count in counts]
    low, high = min(powers), max(powers)
    if high == low:
        return [largest] * len(powers)
    return [smallest + (largest - smallest) * (p - low) / (high - low) for p in powers]
