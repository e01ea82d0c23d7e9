"""The parts of buildings: windows, towers, roofs, columns."""

import dataclasses

import numpy as np

from tfrecords_tools.sample.canvas import Box, Canvas, arch
from tfrecords_tools.sample.materials import (
    OUTSIDE,
    ROOF_COLORS,
    WALL_COLORS,
    Color,
    Texture,
    jittered,
    pick,
    shaded,
    texture,
)

ROOFS = ("spire", "dome", "onion", "crenels", "pyramid", "cap")


@dataclasses.dataclass(frozen=True)
class Style:
    """The features that distinguish a landmark's outside.

    Attributes:
        wall: The wall's texture.
        color: The wall's mean colour.
        trim: The colour of frames, cornices and columns.
        roof: The roof's colour.
        glass: The colour of panes and doors.
        opening: The form of windows; see `canvas.arch`.
        tower_roof: One of `ROOFS`.
        columns: Number of windows, columns or bays in a row.
        storeys: Number of rows of windows.
        slim: Slenderness of towers, 0..1.
        tall: Height of the building, 0..1.
    """

    wall: Texture
    color: Color
    trim: Color
    roof: Color
    glass: Color
    opening: str
    tower_roof: str
    columns: int
    storeys: int
    slim: float
    tall: float


def draw_style(rng: np.random.Generator) -> Style:
    """Draws a style at random."""
    color, accent = pick(rng, WALL_COLORS), pick(rng, WALL_COLORS)
    kind = str(rng.choice(list(OUTSIDE)))
    return Style(
        wall=texture(rng, kind, color, accent),
        color=color,
        trim=shaded(jittered(rng, accent), float(rng.choice([0.55, 0.8, 1.15]))),
        roof=pick(rng, ROOF_COLORS),
        glass=jittered(rng, ((36, 42, 58), (62, 88, 112), (58, 40, 34))[int(rng.integers(3))]),
        opening=str(rng.choice(["flat", "round", "pointed"])),
        tower_roof=str(rng.choice(ROOFS)),
        columns=int(rng.integers(3, 8)),
        storeys=int(rng.integers(2, 5)),
        slim=float(rng.uniform(0, 1)),
        tall=float(rng.uniform(0, 1)),
    )


def window(canvas: Canvas, style: Style, box: Box, opening: str | None = None) -> None:
    """An opening with a frame, panes and a sill."""
    left, top, right, bottom = box
    kind = opening or style.opening
    frame = max(1.5, (right - left) * 0.09)
    canvas.polygon(arch((left - frame, top - frame, right + frame, bottom), kind), style.trim)
    canvas.polygon(arch(box, kind), style.glass)
    middle = (left + right) / 2
    canvas.line([(middle, top), (middle, bottom)], shaded(style.trim, 0.9), 1)
    canvas.line([(left, (top + bottom) / 2), (right, (top + bottom) / 2)], style.trim, 1)
    canvas.box((left - 2 * frame, bottom, right + 2 * frame, bottom + 3), style.trim, 1.1)


def window_rows(
    canvas: Canvas, style: Style, box: Box, columns: int, storeys: int, fill: float = 0.5
) -> None:
    """A grid of windows; each takes the share `fill` of its bay's width."""
    left, top, right, bottom = box
    bay, storey = (right - left) / columns, (bottom - top) / storeys
    for row in range(storeys):
        for column in range(columns):
            x, y = left + bay * (column + 0.5), top + storey * row
            half = bay * fill / 2
            window(canvas, style, (x - half, y + storey * 0.2, x + half, y + storey * 0.8))


def door(canvas: Canvas, style: Style, box: Box, opening: str) -> None:
    """A portal with three receding frames."""
    left, top, right, bottom = box
    step = (right - left) * 0.1
    for order in (2, 1):
        grown = (left - order * step, top - order * step, right + order * step, bottom)
        canvas.polygon(arch(grown, opening), style.trim, 0.6 + 0.25 * order)
    canvas.polygon(arch(box, opening), style.glass, 0.6)


def rose(canvas: Canvas, style: Style, x: float, y: float, radius: float) -> None:
    """A round window with spokes, or a clock if it is small."""
    canvas.oval(
        (x - radius * 1.2, y - radius * 1.2, x + radius * 1.2, y + radius * 1.2), style.trim
    )
    canvas.oval((x - radius, y - radius, x + radius, y + radius), style.glass)
    for angle in np.linspace(0, np.pi, max(3, style.columns), endpoint=False):
        dx, dy = radius * np.cos(angle), radius * np.sin(angle)
        canvas.line([(x - dx, y - dy), (x + dx, y + dy)], style.trim, 2)
    inner = radius * 0.35
    canvas.oval((x - inner, y - inner, x + inner, y + inner), style.roof, 1.2)


def tower(canvas: Canvas, style: Style, box: Box, roof: str, lit: float = 1.0) -> None:
    """A square tower: shaft, cornices, belfry windows and one of `ROOFS`.

    Args:
        canvas: The drawing surface.
        style: The landmark's style.
        box: The shaft; the roof begins at its top edge.
        roof: The form of the roof.
        lit: Brightness of the shaft.
    """
    left, top, right, bottom = box
    canvas.box(box, style.wall, lit)
    canvas.box(((left + right) / 2, top, right, bottom), style.wall, lit * 0.86)
    width = right - left
    for share in np.linspace(0.0, 0.75, style.storeys):
        y = top + share * (bottom - top)
        canvas.box((left - 3, y, right + 3, y + 4), style.trim)
    span = min((bottom - top) * 0.3, width * 0.9)
    window_rows(canvas, style, (left, top + 6, right, top + 6 + span), 1 if width < 46 else 2, 1)
    roof_on(canvas, style, (left, right), top, roof)


def roof_on(
    canvas: Canvas, style: Style, span: tuple[float, float], base: float, roof: str
) -> None:
    """A roof over a range of x; its foot is at y = `base`."""
    left, right = span
    width, middle = right - left, (left + right) / 2
    if roof == "crenels":
        _crenels(canvas, style, left, right, base)
        return
    if roof in ("dome", "onion"):
        _dome(canvas, style, middle, base, width, bulge=1.25 if roof == "onion" else 1.0)
        return
    height = width * {"spire": 2.3, "pyramid": 0.9, "cap": 0.45}[roof]
    tip = (middle, base - height)
    canvas.polygon([(left - 4, base), tip, (right + 4, base)], style.roof)
    canvas.polygon([(middle, base), tip, (right + 4, base)], style.roof, 0.75)
    canvas.line([tip, (middle, base - height - 14)], shaded(style.roof, 0.6), 2)


def _dome(
    canvas: Canvas, style: Style, middle: float, base: float, width: float, bulge: float
) -> None:
    half, height = width * 0.5, width * (0.62 if bulge == 1 else 0.95)
    angles = np.linspace(np.pi, 0, 25)
    swell = 1 + (bulge - 1) * np.sin(angles * 1.0) ** 0.5
    outline = [
        (middle + half * s * np.cos(a), base - height * np.sin(a) ** (1 if bulge == 1 else 1.6))
        for a, s in zip(angles, swell, strict=True)
    ]
    canvas.polygon(outline, style.roof)
    canvas.polygon(
        [p for p in outline if p[0] >= middle + half * 0.25] + [(middle, base)], style.roof, 0.8
    )
    for share in (-0.6, -0.2, 0.2, 0.6):
        foot = middle + half * share
        canvas.line(
            [(foot, base), (middle + half * share * 0.5, base - height * 0.8)],
            shaded(style.roof, 0.7),
            2,
        )
    lantern = width * 0.07
    canvas.box(
        (middle - lantern, base - height - lantern * 2, middle + lantern, base - height + 3),
        style.trim,
    )
    canvas.line(
        [(middle, base - height - lantern * 2), (middle, base - height - lantern * 5)],
        style.trim,
        3,
    )


def _crenels(canvas: Canvas, style: Style, left: float, right: float, base: float) -> None:
    canvas.box((left - 5, base - 6, right + 5, base + 4), style.trim)
    count = max(3, int((right - left) / 14))
    tooth = (right - left + 10) / (2 * count - 1)
    for number in range(count):
        x = left - 5 + 2 * number * tooth
        canvas.box((x, base - 16, x + tooth, base - 6), style.wall)


def pediment(canvas: Canvas, style: Style, box: Box) -> None:
    """A triangular gable with a tympanum and an emblem in it."""
    left, top, right, bottom = box
    middle = (left + right) / 2
    canvas.polygon([(left, bottom), (middle, top), (right, bottom)], style.trim)
    inset = (bottom - top) * 0.22
    canvas.polygon(
        [
            (left + 3 * inset, bottom - inset * 0.6),
            (middle, top + inset),
            (right - 3 * inset, bottom - inset * 0.6),
        ],
        style.wall,
        0.9,
    )
    radius = (bottom - top) * 0.16
    y = bottom - inset * 1.9
    canvas.oval((middle - radius, y - radius, middle + radius, y + radius), style.roof)


def colonnade(canvas: Canvas, style: Style, box: Box, count: int) -> None:
    """Columns with bases and capitals in front of a dark porch."""
    left, top, right, bottom = box
    canvas.box(box, style.glass, 0.8)
    step = (right - left) / (count - 1 + 0.6)
    thick = step * 0.42
    for number in range(count):
        x = left + step * (number + 0.3)
        canvas.box((x - thick / 2, top, x + thick / 2, bottom), style.trim, 1.1)
        canvas.box((x, top, x + thick / 2, bottom), style.trim, 0.85)
        canvas.box((x - thick * 0.75, top, x + thick * 0.75, top + 6), style.trim, 1.2)
        canvas.box((x - thick * 0.75, bottom - 6, x + thick * 0.75, bottom), style.trim)
