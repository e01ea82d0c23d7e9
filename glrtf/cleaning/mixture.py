"""The probability that a label is wrong, learned from labels that were exchanged on purpose.

The margins of all images are a mixture: (1 - π)·f0 + π·f1, with f1 for wrong labels, f0 for right
ones, and the share π of wrong labels, all of them unknown. Labels exchanged on purpose are samples
of f1 alone. With log(f1/f0) linear in the margin, π and the two numbers of that line are found by
expectation maximisation: learning from positive and unlabelled examples (Elkan and Noto, KDD 2008),
with the share estimated along with the classifier.
"""

import dataclasses

import numpy as np
import numpy.typing as npt

_STEPS = 500
_NEWTON_STEPS = 5
_DAMPING = 1e-2
"""Keeps the line from becoming a step if wrong and right labels do not overlap."""
_START = 0.1
_LEAST = 1e-6
_MOST = 200_000
"""The largest number of margins for the fit; of more, those at evenly spaced ranks are used."""
FEWEST = 20
"""The smallest number of exchanged labels, and of margins, for a fit."""


@dataclasses.dataclass(frozen=True)
class WrongLabels:
    """The fitted mixture.

    Attributes:
        share: π, the share of wrong labels.
        slope: Slope of log(f1/f0) over the margin; at most 0.
        shift: log(f1/f0) at a margin of 0.
    """

    share: float
    slope: float
    shift: float

    def probability(self, margins: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The probability that labels with these margins, (n,), are wrong: (n,) in 0..1."""
        if not self.share:
            return np.zeros(len(margins))
        log_odds = np.log(self.share / (1 - self.share)) + self.slope * margins + self.shift
        return _logistic(log_odds)


NOTHING_WRONG = WrongLabels(0.0, 0.0, 0.0)


def fit(margins: npt.NDArray[np.float64], exchanged: npt.NDArray[np.float64]) -> WrongLabels:
    """Fits the mixture.

    Args:
        margins: (n,) of the original labels; finite.
        exchanged: (m,) of labels that were exchanged on purpose; finite.

    Returns:
        `NOTHING_WRONG` if there are too few margins, or exchanged labels have no lower ones.
    """
    if min(len(margins), len(exchanged)) < FEWEST or not margins.std():
        return NOTHING_WRONG
    if len(margins) > _MOST:
        margins = np.sort(margins)[np.linspace(0, len(margins) - 1, _MOST).astype(int)]
    mean, spread = float(margins.mean()), float(margins.std())
    known, mixed = (exchanged - mean) / spread, (margins - mean) / spread
    slope, shift, share = min(float(known.mean()), -_LEAST), 0.0, _START
    for _ in range(_STEPS):
        wrong = _logistic(slope * mixed + shift + np.log(share / (1 - share)))
        before, share = share, float(np.clip(wrong.mean(), _LEAST, 1 - _LEAST))
        slope, shift = _line(known, mixed, wrong, (slope, shift))
        if slope >= 0:
            return NOTHING_WRONG
        if abs(share - before) < _LEAST:
            break
    if share <= 2 * _LEAST:
        return NOTHING_WRONG
    return WrongLabels(share, slope / spread, shift - slope * mean / spread)


def most_with_precision(
    probabilities: npt.NDArray[np.float64], precision: float
) -> npt.NDArray[np.bool_]:
    """(n,) bool: the largest set of most likely wrong labels with that mean probability.

    Labels that are more likely right than wrong are not in it.

    Args:
        probabilities: (n,) that each label is wrong.
        precision: The smallest mean probability of the set.
    """
    order = np.argsort(-probabilities, kind="stable")
    means = np.cumsum(probabilities[order]) / np.arange(1, len(order) + 1)
    # Means decrease, so all sets up to the last good one are good.
    chosen = np.zeros(len(order), bool)
    chosen[order[: int((means >= precision).sum())]] = True
    return chosen & (probabilities >= 0.5)


def _line(
    known: npt.NDArray[np.float64],
    mixed: npt.NDArray[np.float64],
    wrong: npt.NDArray[np.float64],
    start: tuple[float, float],
) -> tuple[float, float]:
    """The line of log(f1/f0), by logistic regression with weights.

    Args:
        known: (m,) margins of wrong labels.
        mixed: (n,) margins that are wrong with probability `wrong`.
        wrong: (n,) in 0..1.
        start: The line so far.
    """
    inputs = np.stack([np.concatenate([known, mixed, mixed]), np.ones(len(known) + 2 * len(mixed))])
    targets = np.repeat([1.0, 1.0, 0.0], [len(known), len(mixed), len(mixed)])
    weights = np.concatenate([np.ones(len(known)), wrong, 1 - wrong])
    # The regression sees both kinds in the proportions of this sample.
    sampled = np.log((len(known) + wrong.sum()) / max(float((1 - wrong).sum()), _LEAST))
    found = np.array([start[0], start[1] + sampled])
    for _ in range(_NEWTON_STEPS):
        guessed = _logistic(found @ inputs)
        gradient = inputs @ (weights * (targets - guessed)) - [_DAMPING * found[0], 0.0]
        curvature = (inputs * (weights * guessed * (1 - guessed))) @ inputs.T
        step = np.linalg.solve(curvature + np.diag([_DAMPING, _LEAST]), gradient)
        found += step / max(1.0, float(np.abs(step).max()))
    return float(found[0]), float(found[1] - sampled)


def _logistic(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 1 / (1 + np.exp(-np.clip(values, -700, 700)))
