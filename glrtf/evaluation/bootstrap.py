"""How far a mean over queries would move with another draw of queries."""

import numpy as np

# Few enough values are drawn at a time to stay in the processor's cache.
_DRAWN_AT_ONCE = 100_000


def mean_interval(
    values: np.ndarray, *, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """The percentile bootstrap interval of a mean (Efron, 1979).

    For a paired difference pass the differences a query.

    Args:
        values: (Q,) float, one a query.
        resamples: How many times Q queries are drawn with replacement.
        level: The interval's confidence, between 0 and 1.
        seed: Equal seeds give equal intervals.

    Returns:
        The lower and the upper end.
    """
    tail = (1 - level) / 2
    low, high = np.quantile(resampled_means(values, resamples, seed), [tail, 1 - tail])
    return float(low), float(high)


def resampled_means(values: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """The means of Q values drawn with replacement, `resamples` times.

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
