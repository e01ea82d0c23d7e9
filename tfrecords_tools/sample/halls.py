"""The parts of halls: rooms in perspective, stained glass, altars."""

import dataclasses

import numpy as np

from tfrecords_tools.sample.canvas import Box, Canvas, Point, arch
from tfrecords_tools.sample.materials import (
    INSIDE,
    INSIDE_COLORS,
    SIZE,
    Color,
    Texture,
    jittered,
    pick,
    shaded,
    texture,
)

MIDDLE = SIZE / 2
GOLD: Color = (208, 170, 82)
LIGHT: Color = (255, 244, 208)


@dataclasses.dataclass(frozen=True)
class Interior:
    """The features that distinguish a landmark's inside.

    Attributes:
        wall: The walls' texture.
        floor: The floor's texture.
        ceiling: The ceiling's texture.
        color: The walls' mean colour.
        accent: The colour of cloths, glass and ornaments.
        trim: The colour of columns, frames and ribs.
        opening: The form of arches; see `canvas.arch`.
        bays: Number of columns, shelves or pictures in a row.
        deep: Distance of the back wall, 0..1.
        high: Height of the ceiling, 0..1.
        seed: Seed of the other choices, such as the order of books and the pictures.
    """

    wall: Texture
    floor: Texture
    ceiling: Texture
    color: Color
    accent: Color
    trim: Color
    opening: str
    bays: int
    deep: float
    high: float
    seed: int

    def rng(self) -> np.random.Generator:
        """The random generator of this interior."""
        return np.random.default_rng(self.seed)

    def back(self) -> Box:
        """The back wall."""
        half = 120 - 60 * self.deep
        return MIDDLE - half, 190 - 80 * self.high, MIDDLE + half, 330 - 30 * self.deep


def draw_interior(rng: np.random.Generator) -> Interior:
    """Draws a style at random."""
    kinds = rng.choice(list(INSIDE), 3, replace=False)
    colors = [pick(rng, INSIDE_COLORS) for _ in range(4)]
    wall, floor, ceiling = (
        texture(rng, str(kind), colors[n], colors[n + 1]) for n, kind in enumerate(kinds)
    )
    return Interior(
        wall=wall,
        floor=floor,
        ceiling=ceiling,
        color=colors[0],
        accent=colors[1],
        trim=jittered(rng, (GOLD, (226, 218, 200), (110, 74, 48), colors[3])[int(rng.integers(4))]),
        opening=str(rng.choice(["round", "pointed", "horseshoe"])),
        bays=int(rng.integers(3, 7)),
        deep=float(rng.uniform(0, 1)),
        high=float(rng.uniform(0, 1)),
        seed=int(rng.integers(2**32)),
    )


def room(canvas: Canvas, hall: Interior) -> Box:
    """Draws five textured planes in one-point perspective; returns the back wall."""
    left, top, right, bottom = hall.back()
    end = float(SIZE)
    canvas.quad([(0, 0), (end, 0), (right, top), (left, top)], hall.ceiling, 0.7)
    canvas.quad([(left, bottom), (right, bottom), (end, end), (0, end)], hall.floor, 0.9)
    canvas.quad([(0, 0), (left, top), (left, bottom), (0, end)], hall.wall, 0.72)
    canvas.quad([(right, top), (end, 0), (end, end), (right, bottom)], hall.wall, 0.82)
    canvas.box((left, top, right, bottom), hall.wall)
    return left, top, right, bottom


def side_point(back: Box, side: int, depth: float, height: float) -> Point:
    """A point on a side wall: `depth` from 0 (near) to 1 (far), `height` from 0 (floor) to 1."""
    left, top, right, bottom = back
    near_x, far_x = (0.0, left) if side < 0 else (float(SIZE), right)
    share = depth**0.6
    x = near_x + (far_x - near_x) * share
    low, up = SIZE + (bottom - SIZE) * share, top * share
    return x, low + (up - low) * height


def side_quad(
    back: Box, side: int, near: float, far: float, low: float, high: float
) -> list[Point]:
    """A rectangle on a side wall, from depth `near` to `far` and from height `low` to `high`."""
    corners = ((near, high), (far, high), (far, low), (near, low))
    return [side_point(back, side, depth, height) for depth, height in corners]


def lancet(canvas: Canvas, hall: Interior, box: Box, rng: np.random.Generator) -> None:
    """A stained-glass window."""
    left, top, right, bottom = box
    canvas.polygon(arch((left - 5, top - 6, right + 5, bottom + 3), hall.opening), hall.trim)
    canvas.polygon(arch(box, hall.opening), shaded(hall.accent, 1.2))
    rows, columns = 6, max(2, int((right - left) / 12))
    width, height = (right - left) / columns, (bottom - top) * 0.72 / rows
    for row in range(rows):
        for column in range(columns):
            x, y = left + column * width, bottom - (row + 1) * height
            color = shaded(pick(rng, (*INSIDE_COLORS, LIGHT)), 1.35)
            canvas.box((x + 1, y + 1, x + width - 1, y + height - 1), color)


def altar(canvas: Canvas, hall: Interior, x: float, base: float, width: float) -> None:
    """A draped table with candles and sometimes a cross; its foot is at y = `base`."""
    rng = hall.rng()
    canvas.box((x - width / 2, base - width * 0.35, x + width / 2, base), hall.accent, 1.1)
    canvas.box(
        (x - width * 0.56, base - width * 0.4, x + width * 0.56, base - width * 0.32), hall.trim
    )
    for share in (-0.4, -0.2, 0.2, 0.4):
        candle = x + share * width
        canvas.line(
            [(candle, base - width * 0.4), (candle, base - width * 0.6)], (240, 236, 220), 3
        )
        canvas.oval((candle - 3, base - width * 0.66, candle + 3, base - width * 0.58), LIGHT)
    if rng.random() < 0.5:
        canvas.line([(x, base - width * 0.4), (x, base - width * 0.95)], GOLD, 5)
        canvas.line(
            [(x - width * 0.15, base - width * 0.78), (x + width * 0.15, base - width * 0.78)],
            GOLD,
            5,
        )
