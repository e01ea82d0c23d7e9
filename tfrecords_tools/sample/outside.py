"""The outsides of the sample's landmarks: ten kinds of buildings, each in many styles."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from tfrecords_tools.sample.canvas import Canvas, arch
from tfrecords_tools.sample.materials import ROOF_COLORS, SIZE, pick, shaded
from tfrecords_tools.sample.parts import (
    Style,
    colonnade,
    door,
    draw_style,
    pediment,
    roof_on,
    rose,
    tower,
    window_rows,
)

GROUND = 440.0
"""The y coordinate of the ground line of every building."""

MIDDLE = SIZE / 2


def _cathedral(canvas: Canvas, style: Style) -> None:
    """A gabled nave between two towers, with a rose window over the portal."""
    nave, flank = 62 + 18 * style.slim, 44 + 16 * (1 - style.slim)
    top, tower_top = 210.0, 190 - 90 * style.tall
    canvas.polygon([(MIDDLE - nave, top), (MIDDLE, top - 70), (MIDDLE + nave, top)], style.roof)
    canvas.box((MIDDLE - nave, top, MIDDLE + nave, GROUND), style.wall)
    rose(canvas, style, MIDDLE, top + 58, 32)
    door(canvas, style, (MIDDLE - 24, GROUND - 92, MIDDLE + 24, GROUND), style.opening)
    for side in (-1, 1):
        inner, outer = MIDDLE + side * nave, MIDDLE + side * (nave + flank)
        box = (min(inner, outer), tower_top, max(inner, outer), GROUND)
        tower(canvas, style, box, style.tower_roof)
        x = (inner + outer) / 2
        door(canvas, style, (x - 11, GROUND - 58, x + 11, GROUND), style.opening)


def _basilica(canvas: Canvas, style: Style) -> None:
    """A dome on a drum behind a porch of columns."""
    half, drum = 165.0, 58 + 34 * style.tall
    canvas.box((MIDDLE - half, 290, MIDDLE + half, GROUND), style.wall)
    window_rows(
        canvas, style, (MIDDLE - half, 296, MIDDLE + half, GROUND - 20), style.columns + 2, 1, 0.4
    )
    canvas.box((MIDDLE - drum, 190, MIDDLE + drum, 290), style.wall, 0.95)
    window_rows(canvas, style, (MIDDLE - drum, 196, MIDDLE + drum, 284), style.columns, 1)
    roof_on(canvas, style, (MIDDLE - drum - 8, MIDDLE + drum + 8), 192, "dome")
    porch = 70 + 30 * style.slim
    colonnade(canvas, style, (MIDDLE - porch, 318, MIDDLE + porch, GROUND), style.columns + 1)
    pediment(canvas, style, (MIDDLE - porch - 12, 268, MIDDLE + porch + 12, 320))
    if style.storeys > 2:
        for side in (-1, 1):
            x = MIDDLE + side * (half - 18)
            tower(canvas, style, (x - 20, 232, x + 20, 300), style.tower_roof)


def _palace(canvas: Canvas, style: Style) -> None:
    """A long façade with rows of windows, a roof and a pavilion in the middle."""
    half, top = 205.0, 300 - 70 * style.tall
    canvas.box((MIDDLE - half, top, MIDDLE + half, GROUND), style.wall)
    canvas.polygon(
        [
            (MIDDLE - half - 6, top),
            (MIDDLE - half + 26, top - 46),
            (MIDDLE + half - 26, top - 46),
            (MIDDLE + half + 6, top),
        ],
        style.roof,
    )
    window_rows(
        canvas,
        style,
        (MIDDLE - half, top + 4, MIDDLE + half, GROUND),
        style.columns + 4,
        style.storeys,
    )
    pavilion = 44 + 22 * style.slim
    canvas.box((MIDDLE - pavilion, top - 46, MIDDLE + pavilion, GROUND), style.wall, 1.08)
    window_rows(
        canvas,
        style,
        (MIDDLE - pavilion, top - 40, MIDDLE + pavilion, GROUND - 70),
        3,
        style.storeys,
    )
    door(canvas, style, (MIDDLE - 18, GROUND - 60, MIDDLE + 18, GROUND), "round")
    if style.tower_roof in ("dome", "onion", "pyramid"):
        roof_on(canvas, style, (MIDDLE - pavilion, MIDDLE + pavilion), top - 46, style.tower_roof)
    else:
        pediment(canvas, style, (MIDDLE - pavilion - 8, top - 86, MIDDLE + pavilion + 8, top - 44))


def _castle(canvas: Canvas, style: Style) -> None:
    """Round towers and a gate in a crenellated wall."""
    wall = 330.0
    canvas.box((60, wall, 420, GROUND), style.wall, 0.92)
    roof_on(canvas, style, (60, 420), wall, "crenels")
    keep = 50 + 26 * style.slim
    canvas.box((MIDDLE - keep, 240 - 60 * style.tall, MIDDLE + keep, GROUND), style.wall, 1.04)
    roof_on(canvas, style, (MIDDLE - keep, MIDDLE + keep), 240 - 60 * style.tall, "crenels")
    window_rows(
        canvas, style, (MIDDLE - keep, 250 - 60 * style.tall, MIDDLE + keep, 330), 3, 2, 0.3
    )
    door(canvas, style, (MIDDLE - 25, GROUND - 76, MIDDLE + 25, GROUND), "round")
    roof = "spire" if style.tower_roof in ("spire", "onion", "dome") else style.tower_roof
    for x, high in ((76, 250), (404, 230 + 40 * style.slim), (150, 290)):
        tower(canvas, style, (x - 26, high, x + 26, GROUND), roof)


def _pagoda(canvas: Canvas, style: Style) -> None:
    """Storeys that get narrower upwards, each with wide, upturned eaves."""
    count = style.storeys + 2
    height = (300 + 60 * style.tall) / count
    for storey in range(count):
        bottom = GROUND - storey * height
        half = (120 - 30 * style.slim) * (1 - 0.65 * storey / count)
        canvas.box((MIDDLE - half, bottom - height, MIDDLE + half, bottom), style.wall)
        window_rows(
            canvas,
            style,
            (MIDDLE - half, bottom - height * 0.75, MIDDLE + half, bottom),
            max(2, style.columns - storey),
            1,
        )
        eave, y = half * 1.45, bottom - height * 0.72
        canvas.polygon(
            [
                (MIDDLE - eave, y - 8),
                (MIDDLE - eave * 0.8, y + 3),
                (MIDDLE + eave * 0.8, y + 3),
                (MIDDLE + eave, y - 8),
                (MIDDLE + half * 0.7, bottom - height),
                (MIDDLE - half * 0.7, bottom - height),
            ],
            style.roof,
        )
        canvas.line([(MIDDLE - eave * 0.8, y + 3), (MIDDLE + eave * 0.8, y + 3)], style.trim, 4)
    top = GROUND - count * height
    canvas.line([(MIDDLE, top + 6), (MIDDLE, top - 50)], style.trim, 5)


def _skyscraper(canvas: Canvas, style: Style) -> None:
    """Setbacks of glass or stone, with a mast on top."""
    steps = style.storeys
    half, bottom = 85 - 30 * style.slim, GROUND
    for _ in range(steps):
        high = (270 + 60 * style.tall) / steps
        top = bottom - high
        canvas.box((MIDDLE - half, top, MIDDLE + half, bottom), style.wall)
        canvas.box((MIDDLE + half * 0.3, top, MIDDLE + half, bottom), style.wall, 0.75)
        for x in np.linspace(MIDDLE - half, MIDDLE + half, style.columns + 1):
            canvas.line([(float(x), top), (float(x), bottom)], style.trim, 3)
        canvas.box((MIDDLE - half - 3, top, MIDDLE + half + 3, top + 5), style.trim)
        bottom, half = top, half * (0.62 + 0.2 * style.slim)
    if style.tower_roof in ("spire", "pyramid", "dome", "onion"):
        roof_on(canvas, style, (MIDDLE - half, MIDDLE + half), bottom, style.tower_roof)
    canvas.line([(MIDDLE, bottom), (MIDDLE, max(8, bottom - 75))], style.trim, 4)


def _campanile(canvas: Canvas, style: Style) -> None:
    """A free-standing tower next to a low hall."""
    half = 26 + 22 * (1 - style.slim)
    x = 190.0
    canvas.box((200, 355, 400, GROUND), style.wall, 0.9)
    canvas.polygon([(195, 355), (215, 312), (385, 312), (405, 355)], style.roof)
    window_rows(canvas, style, (225, 362, 400, GROUND), style.columns, 1)
    tower(canvas, style, (x - half, 150 - 40 * style.tall, x + half, GROUND), style.tower_roof)
    rose(canvas, style, x, 250, half * 0.5)
    canvas.box((x - half - 7, 190, x + half + 7, 200), style.trim)


def _temple(canvas: Canvas, style: Style) -> None:
    """Columns on steps, under a gable."""
    half, top = 150 + 40 * style.slim, 260 - 50 * style.tall
    for step in range(4):
        grow = 10 * step
        canvas.box(
            (MIDDLE - half - grow, GROUND - 32 + 8 * step, MIDDLE + half + grow, GROUND),
            style.trim,
            0.8 + 0.07 * step,
        )
    canvas.box((MIDDLE - half, top, MIDDLE + half, GROUND - 30), style.wall)
    colonnade(
        canvas, style, (MIDDLE - half, top + 26, MIDDLE + half, GROUND - 32), style.columns + 2
    )
    canvas.box((MIDDLE - half - 6, top, MIDDLE + half + 6, top + 26), style.wall, 1.05)
    for x in np.linspace(MIDDLE - half, MIDDLE + half, style.columns * 3):
        canvas.box((float(x) - 2, top + 8, float(x) + 3, top + 20), style.roof)
    pediment(
        canvas, style, (MIDDLE - half - 14, top - 40 - 40 * style.slim, MIDDLE + half + 14, top + 2)
    )


def _mosque(canvas: Canvas, style: Style) -> None:
    """A row of domes between minarets."""
    kind = "onion" if style.storeys % 2 else "dome"
    canvas.box((95, 330, 385, GROUND), style.wall)
    window_rows(canvas, style, (95, 350, 385, GROUND), style.columns + 1, 1, 0.55)
    for side in (-1, 1):
        roof_on(canvas, style, (MIDDLE + side * 95 - 38, MIDDLE + side * 95 + 38), 330, kind)
    half = 62 + 22 * style.slim
    canvas.box((MIDDLE - half, 265, MIDDLE + half, GROUND), style.wall, 1.05)
    roof_on(canvas, style, (MIDDLE - half, MIDDLE + half), 265, kind)
    door(canvas, style, (MIDDLE - 32, 310, MIDDLE + 32, GROUND), "pointed")
    for x in (72.0, 408.0) if style.columns % 2 else (72.0, 130.0, 350.0, 408.0):
        tower(canvas, style, (x - 11, 170 - 40 * style.tall, x + 11, GROUND), "spire")


def _triumphal_arch(canvas: Canvas, style: Style) -> None:
    """A block with one large arch or three, an attic and a group of statues on top."""
    half, top = 125 + 30 * style.slim, 225 - 50 * style.tall
    canvas.box((MIDDLE - half, top, MIDDLE + half, GROUND), style.wall)
    for y in (top, top + 52):
        canvas.box((MIDDLE - half - 7, y, MIDDLE + half + 7, y + 9), style.trim)
    for x in np.linspace(MIDDLE - half + 12, MIDDLE + half - 12, style.columns):
        canvas.box((float(x) - 5, top + 62, float(x) + 5, GROUND), style.trim, 1.1)
    canvas.polygon(arch((MIDDLE - 48, top + 84, MIDDLE + 48, GROUND), "round"), style.trim)
    canvas.polygon(arch((MIDDLE - 40, top + 93, MIDDLE + 40, GROUND), "round"), (186, 200, 214))
    if style.storeys > 2:
        for side in (-1, 1):
            x = MIDDLE + side * half * 0.68
            canvas.polygon(arch((x - 17, top + 150, x + 17, GROUND), "round"), (172, 186, 200))
    for x in np.linspace(MIDDLE - 40, MIDDLE + 40, style.storeys + 1):
        canvas.oval((float(x) - 9, top - 42, float(x) + 9, top - 24), style.roof)
        canvas.box((float(x) - 10, top - 28, float(x) + 10, top), style.roof, 0.9)


KINDS: dict[str, Callable[[Canvas, Style], None]] = {
    "cathedral": _cathedral,
    "basilica": _basilica,
    "palace": _palace,
    "castle": _castle,
    "pagoda": _pagoda,
    "skyscraper": _skyscraper,
    "campanile": _campanile,
    "temple": _temple,
    "mosque": _mosque,
    "triumphal_arch": _triumphal_arch,
}


def draw_outside(rng: np.random.Generator, kind: str) -> Image.Image:
    """Draws a building of a kind in `KINDS`, in a random style.

    Returns:
        An RGBA picture of `SIZE` × `SIZE` pixels, transparent around the building.
    """
    canvas, style = Canvas(), draw_style(rng)
    KINDS[kind](canvas, style)
    if rng.random() < 0.4:
        _flag(canvas, rng)
    return canvas.image


def _flag(canvas: Canvas, rng: np.random.Generator) -> None:
    x = float(rng.choice([40.0, 440.0]))
    canvas.line([(x, GROUND), (x, 300)], (90, 90, 90), 4)
    color = pick(rng, ROOF_COLORS)
    canvas.polygon([(x, 302), (x + 34, 308), (x + 34, 332), (x, 326)], color, 1.3)
    canvas.polygon([(x, 314), (x + 34, 320), (x + 34, 332), (x, 326)], shaded(color, 0.5))
