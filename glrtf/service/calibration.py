"""Calibration: from scores to the probability that an answer is right.

Scores are sums of similarities, and what a score of 1.76 means depends on the model and the index.
So photos with a known landmark are searched as if they were new, and a curve is fitted to how often
the answers were right (Platt, "Probabilistic outputs for support vector machines", 1999). Each
photo is searched twice, once with and once without its landmark in the index. So photos of unknown
objects have the same weight as photos of known ones.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import json_shapes

FEWEST = 10
"""The smallest number of right answers, and of wrong ones, for a curve."""
_STEPS = 100


@dataclasses.dataclass(frozen=True)
class Curve:
    """The probability that an answer is right, 1 / (1 + exp(-(slope · score + shift))).

    Attributes:
        slope: Above 0.
        shift: The log-odds at a score of 0.
        highest: The highest score that the curve was fitted to; above, it extrapolates.
    """

    slope: float
    shift: float
    highest: float

    def __call__(self, score: float) -> float:
        """The probability at a score, 0 to 1."""
        exponent = np.clip(self.slope * score + self.shift, -700, 700)
        return float(1 / (1 + np.exp(-exponent)))

    def score(self, probability: float) -> float:
        """The score of a probability."""
        return (float(np.log(probability / (1 - probability))) - self.shift) / self.slope

    def as_text(self) -> str:
        """The scores at which answers are right in 50 % and 90 % of cases, if any score so high."""
        levels = [
            f"{level} % at {self.score(level / 100):.2f}"
            for level in (50, 90)
            if self.score(level / 100) <= self.highest
        ]
        if len(levels) == 2:
            return ", ".join(levels)
        return ", ".join([*levels, f"at most {self(self.highest):.0%}".replace("%", " %")])


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Probabilities that answers are right.

    Attributes:
        landmark: The curve of landmark confidences C; None if unknown.
        photo: The curve of the cube root of final confidences F, which is a similarity for
            photos without a bridge; None if unknown.
        source: A description of the photos used.
    """

    landmark: Curve | None = None
    photo: Curve | None = None
    source: str = ""

    @property
    def is_known(self) -> bool:
        """Whether there is a curve."""
        return self.landmark is not None or self.photo is not None

    def of_landmark(self, confidence: float) -> float | None:
        """The probability that a photo shows a landmark with this confidence."""
        return self.landmark(confidence) if self.landmark else None

    def of_photo(self, final: float) -> float | None:
        """The probability that an index photo with this final confidence shows the same object."""
        return self.photo(float(np.cbrt(final))) if self.photo else None

    def as_json(self) -> dict[str, Any]:
        """JSON values, under the names above."""
        return dataclasses.asdict(self)

    def as_line(self) -> str:
        """A line for a terminal."""
        known = [
            f"{name} {curve.as_text()}"
            for name, curve in (("landmark", self.landmark), ("photo", self.photo))
            if curve
        ]
        if not known:
            return f"not known: fewer than {FEWEST} right or wrong answers by {self.source}"
        return f"{'; '.join(known)} (by {self.source})"

    @classmethod
    def from_json(cls, values: Any) -> "Calibration | None":
        """The inverse of `as_json`; None for other values."""
        try:
            json_shapes.require("calibration", values, _Saved)
        except UserError:
            return None
        curves = {name: values[name] and _curve(values[name]) for name in ("landmark", "photo")}
        if any(curve and curve.slope <= 0 for curve in curves.values()):
            return None
        return cls(source=values["source"], **curves)


class _Saved(TypedDict):
    landmark: Curve | None
    photo: Curve | None
    source: str


def _curve(values: Mapping[str, float]) -> Curve:
    return Curve(*(float(values[name]) for name in ("slope", "shift", "highest")))


def fit(scores: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> Curve | None:
    """Fits the maximum-likelihood curve by Newton's method with a little damping.

    Targets are Platt's, slightly inside 0 and 1, so that separable answers do not give a step.

    Args:
        scores: (n,) float64.
        right: (n,) bool, whether the answer is right.

    Returns:
        The curve; None if there are fewer than `FEWEST` right or wrong answers, or higher scores
        are not right more often.
    """
    positive = int(right.sum())
    negative = len(right) - positive
    if min(positive, negative) < FEWEST:
        return None
    targets = np.where(right, (positive + 1) / (positive + 2), 1 / (negative + 2))
    # Scores are scaled to unit variance, so that one damping suits all.
    mean, spread = float(scores.mean()), float(scores.std())
    if spread == 0:
        return None
    inputs = np.stack([(scores - mean) / spread, np.ones(len(scores))])
    found = np.array([0.0, np.log((positive + 1) / (negative + 1))])
    for _ in range(_STEPS):
        guessed = 1 / (1 + np.exp(-np.clip(found @ inputs, -700, 700)))
        gradient = inputs @ (targets - guessed)
        hessian = (inputs * (guessed * (1 - guessed))) @ inputs.T + 1e-6 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        found += step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-9:
            break
    if found[0] <= 0:
        return None
    slope = float(found[0]) / spread
    return Curve(slope, float(found[1]) - slope * mean, float(scores.max()))
