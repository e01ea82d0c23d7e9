"""The materials of the sample's landmarks: textures drawn by code.

Outside walls and inside walls use two disjoint lists of textures, so that only the labels of the
photos connect a landmark's outside with its inside.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Color = tuple[int, int, int]
Texture = NDArray[np.float32]
"""Float32 ``(size, size, 3)``, RGB in 0..255."""

SIZE = 480
"""Side of every texture and scene in pixels."""

WALL_COLORS: tuple[Color, ...] = (
    (206, 176, 120),
    (222, 216, 200),
    (164, 70, 48),
    (122, 126, 136),
    (226, 170, 62),
    (244, 240, 234),
    (222, 134, 124),
    (132, 186, 150),
    (104, 74, 52),
    (104, 146, 192),
    (196, 108, 52),
    (150, 120, 168),
)
ROOF_COLORS: tuple[Color, ...] = (
    (78, 84, 96),
    (172, 84, 58),
    (108, 164, 144),
    (200, 164, 70),
    (62, 54, 54),
    (68, 98, 160),
)
INSIDE_COLORS: tuple[Color, ...] = (
    (132, 42, 46),
    (36, 98, 72),
    (44, 54, 108),
    (192, 152, 72),
    (228, 218, 192),
    (122, 76, 46),
    (60, 140, 150),
    (104, 62, 112),
    (152, 146, 140),
    (226, 176, 160),
)


def smooth_noise(rng: np.random.Generator, cells: int, size: int = SIZE) -> NDArray[np.float32]:
    """Value noise in -1..1: a coarse random grid, enlarged bilinearly to ``(size, size)``."""
    grid = rng.uniform(-1, 1, (cells + 1, cells + 1)).astype(np.float32)
    position = np.arange(size, dtype=np.float32) * (cells / size)
    low = position.astype(np.int64)
    part = position - low
    rows = grid[low] * (1 - part)[:, None] + grid[low + 1] * part[:, None]
    return rows[:, low] * (1 - part) + rows[:, low + 1] * part


def _grid() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rows, columns = np.indices((SIZE, SIZE))
    return rows, columns


def _tinted(base: Color, shade: NDArray[np.float32]) -> Texture:
    return np.asarray(base, np.float32) * shade[..., None].astype(np.float32)


def _mixed(base: Color, accent: Color, share: NDArray[np.float32]) -> Texture:
    low, high = np.asarray(base, np.float32), np.asarray(accent, np.float32)
    return low + (high - low) * share[..., None].astype(np.float32)


def _bonded(
    rng: np.random.Generator, base: Color, height: int, length: int, jitter: float
) -> Texture:
    """Courses of stones, every other course shifted by half a stone."""
    rows, columns = _grid()
    course = rows // height
    shifted = columns + (course % 2) * (length // 2)
    stone = shifted // length
    tones = rng.normal(1.0, jitter, (SIZE // height + 2, SIZE // length + 3))
    joint = (rows % height == 0) | (shifted % length == 0)
    shade = np.where(joint, 0.72, tones[course, stone])
    return _tinted(base, (shade * (1 + 0.04 * smooth_noise(rng, 24))).astype(np.float32))


def _ashlar(rng: np.random.Generator, base: Color, accent: Color) -> Texture:
    height = int(rng.integers(14, 24))
    return _bonded(rng, base, height, int(height * rng.uniform(1.6, 2.6)), 0.07)


def _brick(rng: np.random.Generator, base: Color, accent: Color) -> Texture:
    return _bonded(rng, base, int(rng.integers(6, 9)), int(rng.integers(14, 20)), 0.10)


def _plaster(rng: np.random.Generator, base: Color, accent: Color) -> Texture:
    return _tinted(base, 1 + 0.06 * smooth_noise(rng, 6) + 0.03 * smooth_noise(rng, 60))


def _bands(rng: np.random.Generator, base: Color, accent: Color) -> Texture:
    """Alternating courses of two stones, as in Siena or Orvieto."""
    rows, _ = _grid()
    striped = (rows // int(rng.integers(9, 16))) % 2
    return _mixed(base, accent, striped.astype(np.float32)) * (
        1 + 0.05 * smooth_noise(rng, 30)[..., None]
    )


def _timber(rng: np.random.Generator, base: Color, accent: Color) -> Texture:
    """Plaster between dark beams; every other bay has a cross brace."""
    rows, columns = _grid()
    bay = int(rng.integers(44, 64))
    y, x = rows % bay, columns % bay
    braced = ((rows // bay + columns // bay) % 2 == 0) & (
        (np.abs(x - y) < 4) | (np.abs(x + y - bay) < 4)
    )
    wall = _plaster(rng, base, accent)
    wall[(y < 6) | (x < 6) | braced] = (70, 48, 36)
    return wall


def _curtain(rng: np.random.Generator, base: Color, accent: Color) -> Texture:
    """The panes of a glass front, each tinted slightly by the sky."""
    rows, columns = _grid()
    height, width = int(rng.integers(12, 20)), int(rng.integers(10, 18))
    tones = rng.normal(0.9, 0.14, (SIZE // height + 1, SIZE // width + 1))
    shade = np.where(
        (rows % height < 2) | (columns % width < 2), 0.55, tones[rows // height, columns // width]
    )
    return _tinted(base, shade.astype(np.float32))


def _marble(rng: np.random.Generator, base: Color, accent: Color) -> Texture:
    rows, columns = _grid()
    bend = 40 * smooth_noise(rng, 5) + 14 * smooth_noise(rng, 20)
    vein = np.abs(np.sin((columns * rng.uniform(-1, 1) + rows + bend) * 0.06)) ** 6
    return _mixed(base, accent, (0.8 * (1 - vein) ** 8 + 0.1).astype(np.float32))


def _tiles(rng: np.random.Generator, base: Color, accent: Color) -> Texture:
    """Diamonds in squares, the simplest pattern of azulejos."""
    rows, columns = _grid()
    side = int(rng.integers(20, 34))
    y, x = np.abs(rows % side - side / 2), np.abs(columns % side - side / 2)
    inner = (x + y < side * rng.uniform(0.3, 0.48)).astype(np.float32)
    texture = _mixed(base, accent, inner)
    texture[(rows % side == 0) | (columns % side == 0)] = 230
    return texture


def _panelling(rng: np.random.Generator, base: Color, accent: Color) -> Texture:
    """Vertical planks with grain and occasional mouldings."""
    rows, columns = _grid()
    plank = int(rng.integers(18, 36))
    tones = rng.normal(1.0, 0.12, SIZE // plank + 1)
    grain = np.sin((columns + 9 * smooth_noise(rng, 8)) * 0.9) * 0.06
    shade = tones[columns // plank] + grain
    shade = np.where((columns % plank < 2) | (rows % 120 < 4), 0.6, shade)
    return _tinted(base, shade.astype(np.float32))


def _damask(rng: np.random.Generator, base: Color, accent: Color) -> Texture:
    """A repeated ornament on cloth."""
    rows, columns = _grid()
    period = rng.uniform(26, 48)
    y, x = rows * (2 * np.pi / period), columns * (2 * np.pi / period)
    figure = np.sin(x) * np.sin(y) + 0.6 * np.sin(x + y) * np.sin(2 * x - y + rng.uniform(0, 6))
    return _mixed(base, accent, np.clip(figure * 2, 0, 0.7).astype(np.float32))


def _mosaic(rng: np.random.Generator, base: Color, accent: Color) -> Texture:
    """A mosaic of small stones in two colours and gold, with large figures."""
    rows, columns = _grid()
    side = int(rng.integers(8, 12))
    figure = smooth_noise(rng, 9)[::side, ::side]
    stones = np.where(
        figure[..., None] > 0.1, np.asarray(base, np.float32), np.asarray(accent, np.float32)
    )
    stones[np.abs(figure - 0.1) < 0.06] = (214, 178, 84)
    stones *= rng.normal(1.0, 0.12, (*figure.shape, 1)).astype(np.float32)
    texture = stones[rows // side, columns // side]
    texture[(rows % side == 0) | (columns % side == 0)] *= 0.7
    return texture


def _fresco(rng: np.random.Generator, base: Color, accent: Color) -> Texture:
    """Large soft areas of paint with cracks."""
    field = np.clip(smooth_noise(rng, 7) * 1.5 + 0.5, 0, 1)
    texture = _mixed(base, accent, field) + 26 * smooth_noise(rng, 12)[..., None]
    texture[np.abs(smooth_noise(rng, 14)) < 0.012] *= 0.75
    return texture


_Drawer = Callable[[np.random.Generator, Color, Color], Texture]

OUTSIDE: dict[str, _Drawer] = {
    "ashlar": _ashlar,
    "brick": _brick,
    "plaster": _plaster,
    "bands": _bands,
    "timber": _timber,
    "curtain": _curtain,
}
INSIDE: dict[str, _Drawer] = {
    "marble": _marble,
    "tiles": _tiles,
    "panelling": _panelling,
    "damask": _damask,
    "mosaic": _mosaic,
    "fresco": _fresco,
}


def texture(rng: np.random.Generator, kind: str, base: Color, accent: Color) -> Texture:
    """Draws a texture of a kind in `OUTSIDE` or `INSIDE`, float32 ``(SIZE, SIZE, 3)``."""
    drawer = OUTSIDE.get(kind) or INSIDE[kind]
    return np.clip(drawer(rng, base, accent), 0, 255).astype(np.float32)


def jittered(rng: np.random.Generator, color: Color, by: float = 14) -> Color:
    """A similar colour: each channel is changed by up to `by`."""
    red, green, blue = (int(np.clip(channel + rng.uniform(-by, by), 0, 255)) for channel in color)
    return red, green, blue


def pick(rng: np.random.Generator, colors: tuple[Color, ...]) -> Color:
    """A random colour of a palette, slightly changed."""
    return jittered(rng, colors[int(rng.integers(len(colors)))])


def shaded(color: Color, by: float) -> Color:
    """A darker (`by` < 1) or lighter colour."""
    red, green, blue = (int(np.clip(channel * by, 0, 255)) for channel in color)
    return red, green, blue
