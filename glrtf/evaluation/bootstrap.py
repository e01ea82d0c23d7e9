"""Bootstrap intervals: how much a mean over queries varies with the sample of queries."""

import numpy as np

# So few values are drawn at a time that they stay in the processor's cache.
_DRAWN_AT_ONCE = 100_000


def mean_interval(
    values: np.ndarray, *, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """The percentile bootstrap interval of a mean (Efron, 1979).

    For a paired interval, pass the difference of each query.

    Args:
        values: (Q,) float, one value per query.
        resamples: How many times Q queries are drawn with replacement.
        level: Confidence level of the interval, between 0 and 1.
        seed: The same seed gives the same interval.

    Returns:
        The lower and the upper end.
    """
    tail = (1 - level) / 2
    low, high = np.quantile(resampled_means(values, resamples, seed), [tail, 1 - tail])
    return float(low), float(high)


def resampled_means(values: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """The means of `resamples` samples of Q values, drawn with replacement.

    Returns:
        (resamples,) float64.
    """
    generator = np.random.default_rng(seed)
    count = len(values)
    means = np.empty(resamples)
    at_once = max(1, _DRAWN_AT_ONCE // count)
    for start in range(0, resamples, at_once):
        stop = min(start + at_once, resamples)
        drawn = generator.integers(0, count, size=(stop - start, count), dtype=np.int32)
        means[start:stop] = values.take(drawn).mean(axis=1)
    return means
