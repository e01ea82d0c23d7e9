"""The surroundings of landmarks: sky, ground, trees, people, cars."""

import numpy as np
from PIL import Image, ImageDraw

from tfrecords_tools.sample.camera import gradient, mottled
from tfrecords_tools.sample.materials import INSIDE_COLORS, Color, jittered, pick, shaded

_SKIES = (
    ((84, 138, 206), (190, 214, 236)),
    ((150, 162, 176), (206, 210, 214)),
    ((64, 96, 170), (238, 178, 128)),
    ((112, 166, 224), (222, 232, 240)),
    ((196, 200, 204), (226, 224, 218)),
    ((38, 46, 84), (112, 96, 120)),
)
_GROUNDS: tuple[Color, ...] = (
    (92, 128, 66),
    (150, 144, 134),
    (186, 170, 140),
    (84, 108, 128),
    (118, 112, 108),
    (226, 230, 234),
)


def sky(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """A sky with a random number of clouds."""
    top, bottom = _SKIES[int(rng.integers(len(_SKIES)))]
    pixels = gradient(size, np.array(jittered(rng, top)), np.array(jittered(rng, bottom)))
    clouds = np.clip(
        mottled(rng, size, 5) + 0.5 * mottled(rng, size, 13) - rng.uniform(-0.2, 0.9), 0, 1
    )
    pixels += (245 - pixels) * clouds[..., None] * 0.85
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def ground(rng: np.random.Generator, photo: Image.Image, horizon: float) -> None:
    """Grass, paving, sand, water or snow below a horizon (y in pixels)."""
    top = int(np.clip(horizon, 0, photo.height - 1))
    size = (photo.width, photo.height - top)
    color = np.array(pick(rng, _GROUNDS), float)
    pixels = gradient(size, color * 1.1, color * 0.75)
    pixels *= 1 + 0.12 * mottled(rng, size, 30)[..., None]
    photo.paste(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)), (0, top))
    if rng.random() < 0.5:
        draw = ImageDraw.Draw(photo)
        middle, wide = rng.uniform(0.3, 0.7) * photo.width, photo.width * rng.uniform(0.15, 0.5)
        path = [
            (middle - 12, top),
            (middle + 12, top),
            (middle + wide, photo.height),
            (middle - wide, photo.height),
        ]
        draw.polygon(path, fill=shaded(pick(rng, _GROUNDS), 1.1))


def skyline(rng: np.random.Generator, photo: Image.Image, horizon: float) -> None:
    """Hills, woods or a row of plain houses in the background."""
    draw, width = ImageDraw.Draw(photo), photo.width
    kind = rng.random()
    if kind < 0.4:
        height = rng.uniform(20, 90)
        ridge = np.cumsum(rng.normal(0, 1, 24))
        ridge = (ridge - ridge.min()) / (np.ptp(ridge) + 1e-6) * height
        points = [(x, horizon - y) for x, y in zip(np.linspace(0, width, 24), ridge, strict=True)]
        draw.polygon(
            [(0, horizon + 2), *points, (width, horizon + 2)], fill=jittered(rng, (104, 124, 138))
        )
    elif kind < 0.7:
        x = 0.0
        while x < width:
            radius = rng.uniform(12, 34)
            color = jittered(rng, (58, 92, 54), 20)
            draw.ellipse(
                (x - radius, horizon - radius * 1.6, x + radius, horizon + radius), fill=color
            )
            x += radius
    else:
        houses(rng, photo, horizon, (30, 100))


def houses(
    rng: np.random.Generator, photo: Image.Image, foot: float, heights: tuple[float, float]
) -> None:
    """A row of ordinary houses."""
    draw, x = ImageDraw.Draw(photo), -10.0
    while x < photo.width:
        wide, high = rng.uniform(34, 80), rng.uniform(*heights)
        color = jittered(rng, (176, 158, 140), 40)
        draw.rectangle((x, foot - high, x + wide, foot), fill=color)
        roof = [
            (x - 2, foot - high),
            (x + wide / 2, foot - high - wide * rng.uniform(0.1, 0.5)),
            (x + wide + 2, foot - high),
        ]
        draw.polygon(roof, fill=jittered(rng, (130, 78, 62), 24))
        for row in np.arange(foot - high + 10, foot - 12, 24):
            for column in np.arange(x + 8, x + wide - 10, 18):
                draw.rectangle((column, row, column + 8, row + 12), fill=(62, 68, 80))
        x += wide


def tree(
    rng: np.random.Generator, photo: Image.Image, x: float, foot: float, height: float
) -> None:
    """A tree: a trunk and a crown of leaves."""
    draw = ImageDraw.Draw(photo)
    draw.line(
        [(x, foot), (x, foot - height * 0.6)], fill=(82, 64, 50), width=max(3, int(height * 0.07))
    )
    leaf = jittered(rng, (70, 104, 52), 26)
    for _ in range(46):
        radius = height * rng.uniform(0.05, 0.11)
        cx = x + rng.normal(0, height * 0.16)
        cy = foot - height * 0.72 + rng.normal(0, height * 0.13)
        color = shaded(leaf, float(rng.uniform(0.7, 1.3)))
        draw.ellipse((cx - radius, cy - radius, cx + radius, cy + radius), fill=color)


def person(
    rng: np.random.Generator, photo: Image.Image, x: float, foot: float, height: float
) -> None:
    """A person in front of the landmark."""
    draw = ImageDraw.Draw(photo)
    coat, legs = pick(rng, INSIDE_COLORS), jittered(rng, (56, 58, 72), 24)
    wide, head = height * 0.15, height * 0.08
    draw.rectangle((x - wide * 0.7, foot - height * 0.45, x - wide * 0.08, foot), fill=legs)
    draw.rectangle((x + wide * 0.08, foot - height * 0.45, x + wide * 0.7, foot), fill=legs)
    draw.rounded_rectangle(
        (x - wide, foot - height * 0.84, x + wide, foot - height * 0.4), wide * 0.5, fill=coat
    )
    skin = ((232, 196, 168), (170, 122, 90), (108, 74, 54))[int(rng.integers(3))]
    y = foot - height * 0.91
    draw.ellipse((x - head, y - head, x + head, y + head), fill=skin)
    draw.chord(
        (x - head, y - head * 1.2, x + head, y + head * 0.6),
        180,
        360,
        fill=jittered(rng, (64, 46, 36), 30),
    )


def car(rng: np.random.Generator, photo: Image.Image, x: float, foot: float, length: float) -> None:
    """A parked car."""
    draw, color = ImageDraw.Draw(photo), pick(rng, INSIDE_COLORS)
    high = length * 0.34
    draw.rounded_rectangle(
        (x, foot - high * 0.7, x + length, foot - high * 0.1), high * 0.2, fill=color
    )
    cabin = [
        (x + length * 0.18, foot - high * 0.68),
        (x + length * 0.3, foot - high * 1.15),
        (x + length * 0.7, foot - high * 1.15),
        (x + length * 0.85, foot - high * 0.68),
    ]
    draw.polygon(cabin, fill=shaded(color, 0.6))
    for share in (0.22, 0.78):
        centre, radius = x + share * length, high * 0.24
        draw.ellipse((centre - radius, foot - 2 * radius, centre + radius, foot), fill=(30, 30, 34))


def lamp(
    rng: np.random.Generator, photo: Image.Image, x: float, foot: float, height: float
) -> None:
    """A street lamp."""
    draw = ImageDraw.Draw(photo)
    draw.line([(x, foot), (x, foot - height)], fill=(52, 54, 58), width=5)
    side = 8 + height * 0.03
    draw.ellipse(
        (x - side, foot - height - side, x + side, foot - height + side), fill=(236, 226, 186)
    )


def before_outside(rng: np.random.Generator, photo: Image.Image, foot: float) -> None:
    """Up to three objects that hide parts of a building whose foot is at y = `foot`."""
    low, width, height = min(photo.height + 20.0, foot + 40), photo.width, photo.height
    for _ in range(int(rng.integers(0, 3))):
        x, kind = rng.uniform(0, width), int(rng.integers(4))
        if kind == 0:
            tree(rng, photo, x, low, height * rng.uniform(0.3, 0.75))
        elif kind == 1:
            person(rng, photo, x, low + 10, height * rng.uniform(0.15, 0.5))
        elif kind == 2:
            car(rng, photo, x - 60, low, width * rng.uniform(0.2, 0.4))
        else:
            lamp(rng, photo, x, low, height * rng.uniform(0.4, 0.8))


def before_inside(rng: np.random.Generator, photo: Image.Image) -> None:
    """Visitors, and sometimes a dark pillar at the edge of the picture."""
    width, height = photo.size
    for _ in range(int(rng.integers(0, 4))):
        person(
            rng,
            photo,
            rng.uniform(0, width),
            height * rng.uniform(1.0, 1.15),
            height * rng.uniform(0.25, 0.6),
        )
    if rng.random() < 0.2:
        edge = int(width * rng.uniform(0.08, 0.2))
        left = 0 if rng.random() < 0.5 else width - edge
        ImageDraw.Draw(photo).rectangle(
            (left, 0, left + edge, height), fill=jittered(rng, (58, 50, 44))
        )
