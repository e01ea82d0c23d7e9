"""Angular margins: how the true class's cosine is bent, and by how much."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from glrtf.config.keras_settings import keras

Tensor: TypeAlias = Any

# 1 - cos² of a float32 cosine is only known to about 1e-7; below, the slope of
# the square root is noise.
_SMALLEST_SQUARED_SINE = 1e-7


def add_angular_margin(cosine: Tensor, margin: Tensor | float) -> Tensor:
    """cos(θ + m) while θ + m ≤ π, else cos θ − m·sin m (ArcFace, arXiv 1801.07698).

    The second branch keeps the function falling in θ. Slopes are finite at
    cos θ = ±1.

    Args:
        cosine: cos θ, any shape, float32; rounding beyond ±1 is cut off.
        margin: m in radians, of a shape that broadcasts.
    """
    ops = keras.ops
    # Not `clip`, whose slope at the ends differs between backends.
    cosine = ops.where(cosine > 1.0, 1.0, ops.where(cosine < -1.0, -1.0, cosine))
    squared_sine = (1.0 - cosine) * (1.0 + cosine)
    sine = ops.sqrt(ops.maximum(squared_sine, _SMALLEST_SQUARED_SINE))
    margin = ops.convert_to_tensor(margin, "float32")
    bent = cosine * ops.cos(margin) - sine * ops.sin(margin)
    # θ + m ≤ π  ⇔  cos θ ≥ cos(π − m) = −cos m.
    return ops.where(cosine >= -ops.cos(margin), bent, cosine - margin * ops.sin(margin))


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
