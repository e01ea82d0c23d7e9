"""The answer to a photo search."""

import dataclasses
from typing import Any

LIKELY, WEAK = 0.7, 0.3
"""The probability from which an answer is called likely, and the one below which it is unknown."""


@dataclasses.dataclass(frozen=True)
class LandmarkFound:
    """A landmark that a photo may show.

    Attributes:
        landmark_id: Its id.
        name: Its name; empty if unknown.
        confidence: C, a sum of similarities.
        probability: The probability that it is right, 0 to 1; None if unknown. See
            `glrtf.service.calibration`.
        train_photos: The nearest train photos of the landmark, which support the answer.
    """

    landmark_id: int
    name: str
    confidence: float
    probability: float | None
    train_photos: tuple[str, ...]

    @property
    def title(self) -> str:
        """A landmark's name, or its number if it has none."""
        return self.name or f"landmark {self.landmark_id}"


@dataclasses.dataclass(frozen=True)
class PhotoFound:
    """An index photo of an answer.

    Attributes:
        image_id: Its id.
        name: Its owner's name for it; empty if unknown.
        final: F, the score that orders the photos.
        probability: The probability that it shows the same object, 0 to 1; None if unknown.
        direct: D, the confidence from similarity alone.
        bridged: B, the confidence through a landmark of the train set.
        landmark_id: That landmark; None for none.
        train_photos: The nearest train photos of that landmark.
    """

    image_id: str
    name: str
    final: float
    probability: float | None
    direct: float
    bridged: float
    landmark_id: int | None
    train_photos: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Answer:
    """The answer for a photo.

    Attributes:
        landmarks: Landmarks that it may show, highest confidence first.
        photos: The best index photos, highest confidence first.
    """

    landmarks: tuple[LandmarkFound, ...]
    photos: tuple[PhotoFound, ...]

    @property
    def probability(self) -> float | None:
        """The probability that the first landmark or the first photo is right."""
        best = [one.probability for one in self.landmarks[:1]]
        best += [one.probability for one in self.photos[:1]]
        return max((one for one in best if one is not None), default=None)

    @property
    def verdict(self) -> str | None:
        """``likely``, ``unsure`` or ``unknown``; None without a calibration."""
        if self.probability is None:
            return None
        if self.probability >= LIKELY:
            return "likely"
        return "unsure" if self.probability >= WEAK else "unknown"

    def head(self, limit: int) -> "Answer":
        """The same answer with at most `limit` index photos."""
        return Answer(self.landmarks, self.photos[:limit])

    def as_json(self) -> dict[str, Any]:
        """JSON values, under the names above."""
        return {
            "verdict": self.verdict,
            "probability": self.probability,
            "landmarks": [dict(vars(each)) for each in self.landmarks],
            "photos": [dict(vars(each)) for each in self.photos],
        }

    def as_lines(self) -> list[str]:
        """Lines for a terminal."""
        marks = ", ".join(_named(each) for each in self.landmarks) or "none known"
        lines = [f"  {line}" for line in (self._summary(), f"landmarks: {marks}") if line]
        lines.append(" right    final  direct  bridged  by        photo")
        for one in self.photos:
            by = "" if one.landmark_id is None else str(one.landmark_id)
            scores = f"{one.final:>7.3f}{one.direct:>8.3f}{one.bridged:>9.3f}"
            weak = one.probability is not None and one.probability < WEAK
            title = (one.name or one.image_id) + (" (weak)" if weak else "")
            lines.append(f"  {_percent(one.probability):>5} {scores}  {by:<8}  {title}")
        return lines

    def _summary(self) -> str:
        leading = self.landmarks[0] if self.landmarks else None
        by_landmark = leading is not None and leading.probability == self.probability
        best = leading.title if leading and by_landmark else "the first photo shows the same"
        perhaps = f"perhaps {best}" if by_landmark else "the first photo may show the same"
        percent = _percent(self.probability)
        return {
            "likely": f"likely: {best} ({percent})",
            "unsure": f"unsure: {perhaps} ({percent})",
            "unknown": f"unknown: nothing in the index is likely to match ({perhaps}, {percent})",
        }.get(self.verdict or "", "")


def _percent(probability: float | None) -> str:
    return "-" if probability is None else f"{100 * probability:.0f} %"


def _named(landmark: LandmarkFound) -> str:
    name = f" {landmark.name}" if landmark.name else ""
    percent = "" if landmark.probability is None else f"{_percent(landmark.probability)}, "
    return f"{landmark.landmark_id}{name} ({percent}{landmark.confidence:.2f})"
