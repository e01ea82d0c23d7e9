"""Class-balanced sampling of a stream: rare landmarks are repeated, common ones drawn less often.

A record of a class with n images comes r times an epoch on average, r being
proportional to n^-½ (``sqrt``) or n^-1 (``uniform``): classes then share the
epoch by √n, or evenly (repeat factors: Gupta et al. 2019, arXiv 1908.03195,
appendix; square-root sampling: Mahajan et al. 2018, arXiv 1805.00932). Only
the class counts are needed, not a pass over the data.
"""

from collections.abc import Collection, Sequence

import numpy as np

from glrtf.data.records import Record
from glrtf.data.stream import Resample
from tfrecords_tools import schema

_POWERS = {"sqrt": 0.5, "uniform": 1.0}


def repeat_factors(class_counts: np.ndarray, sampling: str) -> np.ndarray:
    """How often a record of each class is drawn in an epoch, on average.

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


def resampler(
    class_counts: np.ndarray, sampling: str, schema_name: str, unlabelled: Collection[int] = ()
) -> Resample:
    """Which of a window's records are drawn, and how often.

    Each comes ⌊r⌋ or ⌈r⌉ times, r being its factor over the window's mean factor
    (systematic resampling: Kitagawa 1996, section A), so a window keeps its length
    and a place in the stream is found again from lengths alone.

    Args:
        class_counts: int64 (num_classes,).
        sampling: ``sqrt`` or ``uniform``.
        schema_name: A key of `tfrecords_tools.schema.SCHEMAS`.
        unlabelled: Shards whose labels are not used: the factor of their records is 1.
    """
    factors = repeat_factors(class_counts, sampling)

    def factor(record: Record) -> float:
        if record.shard in unlabelled:
            return 1.0
        # What cannot be read, or has a label out of range, goes on, to be found and reported.
        try:
            label = schema.decode_example(record.data, schema_name)["label"]
        except ValueError:
            return 1.0
        return float(factors[label]) if 0 <= label < len(factors) else 1.0

    def resample(rows: Sequence[Record], generator: np.random.Generator) -> list[Record]:
        ends = np.cumsum([factor(row) for row in rows])
        marks = (np.arange(len(rows)) + generator.random()) * (ends[-1] / len(rows))
        chosen = np.minimum(np.searchsorted(ends, marks, side="right"), len(rows) - 1)
        return [rows[place] for place in generator.permutation(chosen)]

    return resample
