"""What is answered about a photo."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class LandmarkFound:
    """A landmark that a photo may show.

    Attributes:
        landmark_id: Which.
        name: What it is called; empty where that is not known.
        confidence: C, how sure.
        train_photos: The photo's nearest train photos of it, which make it sure.
    """

    landmark_id: int
    name: str
    confidence: float
    train_photos: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class PhotoFound:
    """One index photo of an answer.

    Attributes:
        image_id: Which.
        name: What its owner calls it; empty where that is not known.
        final: F, by which the photos are ordered.
        direct: D, how sure from likeness alone.
        bridged: B, how sure through a landmark of the train set.
        landmark_id: That landmark; None where there is none.
        train_photos: The train photos of it that are nearest to this index photo.
    """

    image_id: str
    name: str
    final: float
    direct: float
    bridged: float
    landmark_id: int | None
    train_photos: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Answer:
    """What is known of a photo.

    Attributes:
        landmarks: Landmarks it may show, the surest first.
        photos: The best index photos, the surest first.
    """

    landmarks: tuple[LandmarkFound, ...]
    photos: tuple[PhotoFound, ...]

    def head(self, limit: int) -> "Answer":
        """The same with no more than so many index photos."""
        return Answer(self.landmarks, self.photos[:limit])

    def as_json(self) -> dict[str, Any]:
        """JSON values, under the names above."""
        return dataclasses.asdict(self)

    def as_lines(self) -> list[str]:
        """Lines for a terminal."""
        marks = ", ".join(_named(each) for each in self.landmarks) or "none known"
        lines = [f"  landmarks: {marks}", "  image_id          final  direct  bridged  by"]
        for one in self.photos:
            by = "" if one.landmark_id is None else str(one.landmark_id)
            scores = f"{one.final:>7.3f}{one.direct:>8.3f}{one.bridged:>9.3f}"
            lines.append(f"  {one.image_id:<16}{scores}  {by:<8}{one.name}".rstrip())
        return lines


def _named(landmark: LandmarkFound) -> str:
    name = f" {landmark.name}" if landmark.name else ""
    return f"{landmark.landmark_id}{name} ({landmark.confidence:.2f})"
