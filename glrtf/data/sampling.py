"""Class-balanced sampling of a stream: rare landmarks come again, common ones less often.

A record of a class with n images comes r times an epoch on average, r being
proportional to n^-½ (``sqrt``) or n^-1 (``uniform``): classes then share the
epoch by √n, or evenly (repeat factors: Gupta et al. 2019, arXiv 1908.03195,
appendix; square-root sampling: Mahajan et al. 2018, arXiv 1805.00932). Only
the class counts are needed, not a pass over the data.
"""

from typing import TypeAlias

import numpy as np
import tensorflow as tf

from glrtf.data.stream import Repeat
from tfrecords_tools import schema

Tensor: TypeAlias = tf.Tensor

_POWERS = {"sqrt": 0.5, "uniform": 1.0}


def repeat_factors(class_counts: np.ndarray, sampling: str) -> np.ndarray:
    """How often a record of each class comes in an epoch, on average.

    Args:
        class_counts: int64 (num_classes,), records of each class.
        sampling: ``sqrt`` or ``uniform``.

    Returns:
        Float32 (num_classes,), scaled so that an epoch keeps its length;
        0 for a class without records.
    """
    counts = class_counts.astype(np.float64)
    shares = np.where(counts > 0, np.maximum(counts, 1) ** -_POWERS[sampling], 0)
    return (shares * counts.sum() / (shares * counts).sum()).astype(np.float32)


def repeater(class_counts: np.ndarray, sampling: str, seed: int, schema_name: str) -> Repeat:
    """The rule how often a record of a stream comes: ⌊r⌋ or ⌈r⌉ times, drawn anew each epoch.

    Args:
        class_counts: int64 (num_classes,).
        sampling: ``sqrt`` or ``uniform``.
        seed: Of the draws.
        schema_name: A key of `tfrecords_tools.schema.SCHEMAS`.
    """
    factors = tf.constant(repeat_factors(class_counts, sampling))
    feature = schema.SCHEMAS[schema_name].label
    missing = tf.io.FixedLenFeature((), tf.int64, default_value=schema.NO_LABEL)

    def repeat(epoch: Tensor, data: Tensor, shard: Tensor, position: Tensor) -> Tensor:
        label = tf.io.parse_example(data[None], {feature: missing})[feature][0]
        known = (label >= 0) & (label < factors.shape[0])
        # A label out of range goes through once, so that it is found and reported.
        factor = tf.where(known, tf.gather(factors, tf.where(known, label, 0)), 1.0)
        place = tf.random.fold_in(tf.constant([seed, 1], tf.int64), epoch)
        place = tf.random.fold_in(tf.random.fold_in(place, shard), position)
        draw = tf.random.stateless_uniform([], place)
        return tf.cast(tf.floor(factor + draw), tf.int64)

    return repeat
