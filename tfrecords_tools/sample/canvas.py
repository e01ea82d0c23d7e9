"""A drawing surface for the sample's scenes: textured polygons, arches and panes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tfrecords_tools.sample.materials import SIZE, Color, Texture

Point = tuple[float, float]
Box = tuple[float, float, float, float]
"""Left, top, right and bottom edge in pixels."""

Paint = Color | Texture


class Canvas:
    """An RGBA picture of ``SIZE`` × ``SIZE`` pixels, transparent where nothing is drawn."""

    def __init__(self) -> None:
        self.image = Image.new("RGBA", (SIZE, SIZE), (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self.image)

    def polygon(self, points: Sequence[Point], paint: Paint, shade: float = 1.0) -> None:
        """Fills a polygon with a colour or a texture, darkened by `shade`."""
        mask = Image.new("L", (SIZE, SIZE), 0)
        ImageDraw.Draw(mask).polygon(list(points), fill=255)
        self._paste(paint, mask, shade)

    def box(self, box: Box, paint: Paint, shade: float = 1.0) -> None:
        """Fills a rectangle."""
        left, top, right, bottom = box
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], paint, shade)

    def oval(self, box: Box, paint: Paint, shade: float = 1.0) -> None:
        """Fills an ellipse."""
        mask = Image.new("L", (SIZE, SIZE), 0)
        ImageDraw.Draw(mask).ellipse(box, fill=255)
        self._paste(paint, mask, shade)

    def line(self, points: Sequence[Point], color: Color, width: int = 2) -> None:
        """Draws a line through points."""
        self._draw.line(list(points), fill=(*color, 255), width=width)

    def ring(self, box: Box, color: Color, width: int = 3) -> None:
        """Draws the outline of an ellipse."""
        self._draw.ellipse(box, outline=(*color, 255), width=width)

    def arc(self, box: Box, start: float, end: float, color: Color, width: int = 4) -> None:
        """Draws an arc of an ellipse; angles in degrees, clockwise from three o'clock."""
        self._draw.arc(box, start, end, fill=(*color, 255), width=width)

    def quad(self, corners: Sequence[Point], texture: Texture, shade: float = 1.0) -> None:
        """Maps a whole texture onto a quadrilateral in perspective.

        Args:
            corners: The points of the texture's top left, top right, bottom right and bottom left
                corners.
            texture: Float32 ``(SIZE, SIZE, 3)``.
            shade: Brightness factor.
        """
        square = [(0.0, 0.0), (SIZE, 0.0), (SIZE, SIZE), (0.0, SIZE)]
        matrix = homography(corners, square)
        flat = Image.fromarray(np.clip(texture * shade, 0, 255).astype(np.uint8))
        warped = flat.transform(
            (SIZE, SIZE),
            Image.Transform.PERSPECTIVE,
            tuple(matrix.ravel()[:8]),
            Image.Resampling.BILINEAR,
        )
        mask = Image.new("L", (SIZE, SIZE), 0)
        ImageDraw.Draw(mask).polygon(list(corners), fill=255)
        self.image.paste(warped, (0, 0), mask)

    def _paste(self, paint: Paint, mask: Image.Image, shade: float) -> None:
        bounds = mask.getbbox()
        if bounds is None:
            return
        left, top, right, bottom = bounds
        part = mask.crop(bounds)
        if isinstance(paint, tuple):
            color = tuple(int(np.clip(channel * shade, 0, 255)) for channel in paint)
            self.image.paste((*color, 255), bounds, part)
        else:
            pixels = np.clip(paint[top:bottom, left:right] * shade, 0, 255).astype(np.uint8)
            self.image.paste(Image.fromarray(pixels), bounds, part)


def homography(source: Sequence[Point], target: Sequence[Point]) -> NDArray[np.float64]:
    """The homography that maps four points to four others: 3 × 3, its last entry 1.

    Each pair of points gives two linear equations in the eight free entries (Hartley and Zisserman,
    Multiple View Geometry, section 4.1).
    """
    rows, values = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
        values += [u, v]
    entries = np.linalg.solve(np.asarray(rows, float), np.asarray(values, float))
    return np.append(entries, 1.0).reshape(3, 3)


def arch(box: Box, kind: str) -> list[Point]:
    """The outline of an opening: ``flat``, ``round``, ``pointed`` or ``horseshoe``."""
    left, top, right, bottom = box
    middle, half = (left + right) / 2, (right - left) / 2
    if kind == "flat":
        return [(left, bottom), (left, top), (right, top), (right, bottom)]
    angles = np.linspace(np.pi, 0, 17)
    if kind == "pointed":
        rise = min(half * 1.7, (bottom - top) * 0.7)
        spring = top + rise
        curve = [
            (middle + half * np.cos(a), spring - rise * (np.sin(a) ** 0.75 * 0.35 + 0.65 * _tip(a)))
            for a in angles
        ]
    else:
        spring = min(top + half, bottom)
        wide = half * (1.12 if kind == "horseshoe" else 1.0)
        curve = [(middle + wide * np.cos(a), spring - half * np.sin(a)) for a in angles]
    return [(left, bottom), *[(float(x), float(y)) for x, y in curve], (right, bottom)]


def _tip(angle: float) -> float:
    """A gable with straight sides: 0 at both springs, 1 in the middle."""
    return float(1 - abs(np.cos(angle)))
