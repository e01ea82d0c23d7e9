"""The insides of the sample's landmarks: eight kinds of halls, each in many styles."""

import itertools
from collections.abc import Callable

import numpy as np
from PIL import Image

from tfrecords_tools.sample.canvas import Box, Canvas, arch
from tfrecords_tools.sample.halls import (
    GOLD,
    LIGHT,
    MIDDLE,
    Interior,
    altar,
    draw_interior,
    lancet,
    room,
    side_point,
    side_quad,
)
from tfrecords_tools.sample.materials import INSIDE_COLORS, SIZE, Color, pick, shaded


def _nave(canvas: Canvas, hall: Interior) -> None:
    """Two rows of columns under a ribbed vault, and an altar below stained glass."""
    back = room(canvas, hall)
    left, top, right, bottom = back
    for depth in np.linspace(0.05, 1, hall.bays + 1):
        feet = [side_point(back, side, float(depth), 0.75) for side in (-1, 1)]
        width = feet[1][0] - feet[0][0]
        box = (feet[0][0], feet[0][1] - width * 0.33, feet[1][0], feet[0][1] + width * 0.33)
        canvas.arc(box, 180, 360, hall.trim, max(3, int(12 * (1.1 - depth))))
    for side in (-1, 1):
        for depth in np.linspace(0.05, 0.85, hall.bays):
            arcade = side_quad(back, side, float(depth) + 0.04, float(depth) + 0.12, 0.05, 0.55)
            canvas.polygon(arcade, shaded(hall.color, 0.3))
            shaft = side_quad(back, side, float(depth), float(depth) + 0.045, 0, 0.75)
            canvas.polygon(shaft, hall.trim, 0.95)
    third = (right - left) / 3
    for number in range(3):
        x = left + third * (number + 0.5)
        drop = 0 if number == 1 else 14
        lancet(
            canvas,
            hall,
            (x - third * 0.3, top + 14 + drop, x + third * 0.3, bottom - 62),
            hall.rng(),
        )
    altar(canvas, hall, MIDDLE, bottom + 6, (right - left) * 0.55)


def _dome_seen_from_below(canvas: Canvas, hall: Interior) -> None:
    """Rings of coffers around an oculus, with a ring of windows at the base."""
    rng = hall.rng()
    canvas.box((0, 0, SIZE, SIZE), hall.wall, 0.7)
    segments = hall.bays * 4
    radii = np.linspace(232, 48, hall.bays + 1)
    for ring, radius in enumerate(radii):
        paint = (hall.ceiling, hall.floor)[ring % 2]
        canvas.oval(
            (MIDDLE - radius, MIDDLE - radius, MIDDLE + radius, MIDDLE + radius),
            paint,
            0.75 + 0.06 * ring,
        )
        canvas.ring(
            (MIDDLE - radius, MIDDLE - radius, MIDDLE + radius, MIDDLE + radius), hall.trim, 5
        )
    for angle in np.linspace(0, 2 * np.pi, segments, endpoint=False):
        dx, dy = np.cos(angle), np.sin(angle)
        canvas.line(
            [(MIDDLE + 48 * dx, MIDDLE + 48 * dy), (MIDDLE + 232 * dx, MIDDLE + 232 * dy)],
            hall.trim,
            4,
        )
        x, y = MIDDLE + 205 * np.cos(angle + 0.12), MIDDLE + 205 * np.sin(angle + 0.12)
        canvas.oval((x - 12, y - 12, x + 12, y + 12), LIGHT if rng.random() < 0.8 else hall.accent)
    canvas.oval((MIDDLE - 44, MIDDLE - 44, MIDDLE + 44, MIDDLE + 44), LIGHT)
    canvas.ring((MIDDLE - 46, MIDDLE - 46, MIDDLE + 46, MIDDLE + 46), hall.accent, 8)


def _picture(canvas: Canvas, box: Box, rng: np.random.Generator, frame: Color) -> None:
    left, top, right, bottom = box
    canvas.box((left - 5, top - 5, right + 5, bottom + 5), frame)
    canvas.box(box, pick(rng, INSIDE_COLORS), 1.2)
    horizon = top + (bottom - top) * rng.uniform(0.4, 0.7)
    canvas.box((left, horizon, right, bottom), pick(rng, INSIDE_COLORS), 0.8)
    x, radius = rng.uniform(left + 6, right - 6), (right - left) * rng.uniform(0.12, 0.25)
    canvas.oval(
        (x - radius, horizon - radius, x + radius, horizon + radius), pick(rng, INSIDE_COLORS)
    )


def _gallery(canvas: Canvas, hall: Interior) -> None:
    """Pictures on three walls, a bench and a skylight."""
    back = room(canvas, hall)
    left, top, right, bottom = back
    rng = hall.rng()
    canvas.polygon([(150, 0), (330, 0), (MIDDLE + 30, top), (MIDDLE - 30, top)], LIGHT, 0.98)
    bay = (right - left) / 3
    for number in range(3):
        x = left + bay * (number + 0.5)
        half = bay * rng.uniform(0.2, 0.32)
        _picture(canvas, (x - half, top + 40, x + half, bottom - 45), rng, hall.trim)
    for side in (-1, 1):
        for depth in np.linspace(0.06, 0.75, hall.bays - 1):
            outer = side_quad(back, side, float(depth), float(depth) + 0.14, 0.3, 0.62)
            inner = side_quad(back, side, float(depth) + 0.015, float(depth) + 0.125, 0.33, 0.59)
            canvas.polygon(outer, hall.trim)
            canvas.polygon(inner, pick(rng, INSIDE_COLORS), 1.1)
    canvas.box((MIDDLE - 70, bottom + 55, MIDDLE + 70, bottom + 80), hall.accent)


def _library(canvas: Canvas, hall: Interior) -> None:
    """Bookshelves on both walls, and lamps on a long table."""
    back = room(canvas, hall)
    rng = hall.rng()
    for side in (-1, 1):
        for shelf in np.linspace(0.08, 0.8, hall.bays + 2):
            depth = 0.02
            while depth < 0.95:
                wide = rng.uniform(0.012, 0.03)
                tall = rng.uniform(0.06, 0.095)
                book = side_quad(back, side, depth, depth + wide, float(shelf), float(shelf) + tall)
                canvas.polygon(book, pick(rng, INSIDE_COLORS), 0.9)
                depth += wide
            board = [side_point(back, side, d, float(shelf)) for d in (0.0, 1.0)]
            canvas.line(board, hall.trim, 5)
    left, top, right, bottom = back
    lancet(canvas, hall, (left + 30, top + 25, right - 30, bottom - 30), rng)
    canvas.polygon(
        [
            (MIDDLE - 25, bottom + 8),
            (MIDDLE + 25, bottom + 8),
            (MIDDLE + 95, SIZE),
            (MIDDLE - 95, SIZE),
        ],
        hall.trim,
        0.8,
    )
    for share in (0.2, 0.5, 0.8):
        y = bottom + 8 + (SIZE - bottom) * share
        size = 6 + 12 * share
        canvas.oval((MIDDLE - size, y - 2 * size, MIDDLE + size, y - size), (90, 190, 120))


def _prayer_hall(canvas: Canvas, hall: Interior) -> None:
    """A row of striped arches in depth, hanging lamps and a niche."""
    room(canvas, hall)
    for depth in range(hall.bays, 0, -1):
        share = depth / hall.bays
        half, top, foot = 60 + 170 * (1 - share), 150 - 150 * (1 - share), 345 + 130 * (1 - share)
        outline = arch((MIDDLE - half, top, MIDDLE + half, foot), hall.opening)
        for number, (start, end) in enumerate(itertools.pairwise(outline)):
            canvas.line(
                [start, end], hall.trim if number % 2 else hall.accent, int(10 + 16 * (1 - share))
            )
        canvas.line([(MIDDLE, 0), (MIDDLE, top + 40)], (60, 50, 40), 2)
    canvas.polygon(arch((MIDDLE - 36, 205, MIDDLE + 36, 340), "pointed"), hall.ceiling, 1.1)
    canvas.polygon(arch((MIDDLE - 22, 232, MIDDLE + 22, 340), "pointed"), hall.accent, 0.55)
    rng = hall.rng()
    for number in range(hall.bays + 3):
        x, y = rng.uniform(40, 440), rng.uniform(90, 210)
        canvas.line([(x, 0), (x, y)], (70, 60, 50), 1)
        canvas.oval((x - 9, y, x + 9, y + 16), LIGHT if number % 3 else hall.accent)


def _throne_room(canvas: Canvas, hall: Interior) -> None:
    """A canopy with drapes, chandeliers, and a carpet up to the steps."""
    back = room(canvas, hall)
    left, top, right, bottom = back
    canvas.polygon(
        [(MIDDLE - 22, bottom), (MIDDLE + 22, bottom), (MIDDLE + 110, SIZE), (MIDDLE - 110, SIZE)],
        hall.accent,
    )
    canvas.polygon(
        [(left + 14, bottom), (MIDDLE, top + 12), (right - 14, bottom)], hall.accent, 1.15
    )
    canvas.polygon(
        arch((MIDDLE - 26, top + 60, MIDDLE + 26, bottom), hall.opening), shaded(hall.color, 0.4)
    )
    canvas.box((MIDDLE - 16, bottom - 46, MIDDLE + 16, bottom), GOLD)
    for side in (-1, 1):
        for depth in np.linspace(0.06, 0.8, hall.bays):
            mirror = side_quad(back, side, float(depth), float(depth) + 0.09, 0.2, 0.7)
            canvas.polygon(mirror, hall.trim)
            glass = side_quad(back, side, float(depth) + 0.012, float(depth) + 0.078, 0.24, 0.66)
            canvas.polygon(glass, (196, 208, 216), 0.9)
    for number in range(1 + hall.bays % 3):
        y, half = 150 - 40 * number, 30 + 20 * number
        for angle in np.linspace(0, np.pi, 8 + 2 * hall.bays):
            x, drop = MIDDLE + half * np.cos(angle), y + 0.35 * half * np.sin(angle)
            canvas.oval((x - 4, drop - 4, x + 4, drop + 4), LIGHT)
        canvas.line([(MIDDLE, 0), (MIDDLE, y)], GOLD, 4)


def _iron_hall(canvas: Canvas, hall: Interior) -> None:
    """Iron ribs under glass, and two galleries on posts."""
    back = room(canvas, hall)
    left, top, right, _ = back
    canvas.polygon([(60, 0), (420, 0), (right - 8, top + 4), (left + 8, top + 4)], (198, 216, 228))
    for x in np.linspace(60, 420, 3 * hall.bays):
        far = left + 8 + (x - 60) / 360 * (right - left - 16)
        canvas.line([(float(x), 0), (far, top + 4)], hall.trim, 2)
    for depth in np.linspace(0.04, 1, hall.bays + 3):
        feet = [side_point(back, side, float(depth), 0.8) for side in (-1, 1)]
        width = feet[1][0] - feet[0][0]
        canvas.arc(
            (feet[0][0], feet[0][1] - width * 0.25, feet[1][0], feet[0][1] + width * 0.25),
            180,
            360,
            hall.accent,
            max(3, int(9 * (1.2 - depth))),
        )
    for side in (-1, 1):
        for level in (0.3, 0.55):
            canvas.polygon(side_quad(back, side, 0.0, 1.0, level, level + 0.06), hall.trim)
        for depth in np.linspace(0.04, 0.95, hall.bays + 2):
            canvas.polygon(
                side_quad(back, side, float(depth), float(depth) + 0.02, 0, 0.8), hall.accent
            )
    canvas.oval((MIDDLE - 24, top + 22, MIDDLE + 24, top + 70), (244, 240, 228))
    canvas.ring((MIDDLE - 24, top + 22, MIDDLE + 24, top + 70), hall.trim, 5)


def _retable(canvas: Canvas, hall: Interior) -> None:
    """A high altar seen from the front: twisted columns, niches with figures, a sunburst."""
    canvas.box((0, 0, SIZE, SIZE), hall.wall, 0.8)
    canvas.box((70, 60, 410, 420), hall.ceiling)
    canvas.quad([(60, 420), (420, 420), (SIZE, SIZE), (0, SIZE)], hall.floor)
    for cornice in (60, 200, 330):
        canvas.box((58, cornice, 422, cornice + 14), hall.trim)
    for x in np.linspace(86, 394, hall.bays).tolist():
        for y in range(74, 418, 9):
            swing = 4 * np.sin(y * 0.22)
            canvas.oval(
                (x + swing - 10, y, x + swing + 10, y + 13),
                hall.trim,
                0.85 + 0.15 * np.cos(y * 0.22),
            )
    bay = 308 / (hall.bays - 1)
    for number in range(hall.bays - 1):
        for top in (92, 226):
            x = 86 + bay * (number + 0.5)
            half = min(24.0, bay * 0.3)
            canvas.polygon(
                arch((x - half, top, x + half, top + 96), hall.opening), shaded(hall.accent, 0.5)
            )
            canvas.oval((x - 8, top + 22, x + 8, top + 38), GOLD)
            canvas.polygon(
                [
                    (x - 5, top + 38),
                    (x + 5, top + 38),
                    (x + half * 0.6, top + 94),
                    (x - half * 0.6, top + 94),
                ],
                hall.accent,
                1.2,
            )
    for angle in np.linspace(0, 2 * np.pi, 24, endpoint=False):
        canvas.line([(MIDDLE, 44), (MIDDLE + 60 * np.cos(angle), 44 + 42 * np.sin(angle))], GOLD, 3)
    canvas.oval((MIDDLE - 14, 30, MIDDLE + 14, 58), LIGHT)
    altar(canvas, hall, MIDDLE, 432, 150)


KINDS: dict[str, Callable[[Canvas, Interior], None]] = {
    "nave": _nave,
    "dome": _dome_seen_from_below,
    "gallery": _gallery,
    "library": _library,
    "prayer_hall": _prayer_hall,
    "throne_room": _throne_room,
    "iron_hall": _iron_hall,
    "retable": _retable,
}


def draw_inside(rng: np.random.Generator, kind: str) -> Image.Image:
    """Draws a hall of a kind in `KINDS`, in a random style.

    Returns:
        An RGBA picture of `SIZE` × `SIZE` pixels, fully opaque.
    """
    canvas, hall = Canvas(), draw_interior(rng)
    KINDS[kind](canvas, hall)
    return canvas.image
