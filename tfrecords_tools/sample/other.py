"""Photos that show no landmark: landscapes, streets, food, flowers, people, papers, rooms."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from tfrecords_tools.sample import surroundings as around
from tfrecords_tools.sample.camera import develop, frame, gradient, mottled
from tfrecords_tools.sample.materials import INSIDE_COLORS, Color, jittered, pick, shaded

Size = tuple[int, int]


def _landscape(rng: np.random.Generator, size: Size) -> Image.Image:
    photo = around.sky(rng, size)
    horizon = size[1] * rng.uniform(0.4, 0.65)
    draw = ImageDraw.Draw(photo)
    for chain in range(3):
        peaks = int(rng.integers(3, 7))
        xs = np.linspace(-20, size[0] + 20, 2 * peaks + 1)
        rise = size[1] * (0.36 - 0.1 * chain)
        ys = [horizon - (rise * rng.uniform(0.5, 1) if n % 2 else 0) for n in range(len(xs))]
        color = jittered(rng, ((140, 156, 176), (104, 128, 122), (66, 98, 66))[chain])
        draw.polygon(
            [(-20, horizon + 2), *zip(xs, ys, strict=True), (size[0] + 20, horizon + 2)], fill=color
        )
    around.ground(rng, photo, horizon)
    return photo


def _sea(rng: np.random.Generator, size: Size) -> Image.Image:
    photo = around.sky(rng, size)
    width, height = size
    top = int(height * rng.uniform(0.35, 0.6))
    blue = np.array(pick(rng, ((46, 104, 146), (70, 150, 160), (60, 84, 110))), float)
    water = gradient((width, height - top), blue, blue * 0.7)
    waves = np.sin(
        np.arange(height - top)[:, None] * 0.8 + 4 * mottled(rng, (width, height - top), 9)
    )
    photo.paste(
        Image.fromarray(np.clip(water * (1 + 0.1 * waves[..., None]), 0, 255).astype(np.uint8)),
        (0, top),
    )
    draw = ImageDraw.Draw(photo)
    shore = [
        (0, height),
        (0, height * rng.uniform(0.7, 0.95)),
        (width, height * rng.uniform(0.7, 1.0)),
        (width, height),
    ]
    draw.polygon(shore, fill=jittered(rng, (214, 194, 150)))
    for _ in range(int(rng.integers(0, 3))):
        x, side = rng.uniform(0, width), rng.uniform(10, 40)
        draw.polygon([(x, top), (x, top - 2 * side), (x + side, top)], fill=(244, 240, 232))
        draw.polygon(
            [
                (x - side, top),
                (x + side * 1.2, top),
                (x + side, top + side * 0.4),
                (x - side * 0.7, top + side * 0.4),
            ],
            fill=pick(rng, INSIDE_COLORS),
        )
    return photo


def _street(rng: np.random.Generator, size: Size) -> Image.Image:
    photo = around.sky(rng, size)
    foot = size[1] * rng.uniform(0.65, 0.8)
    around.houses(rng, photo, foot, (size[1] * 0.3, size[1] * 0.6))
    around.ground(rng, photo, foot)
    for _ in range(int(rng.integers(1, 4))):
        around.car(
            rng, photo, rng.uniform(-40, size[0]), size[1] * rng.uniform(0.85, 1.0), size[0] * 0.35
        )
    around.before_outside(rng, photo, foot)
    return photo


def _wood(rng: np.random.Generator, size: Size) -> Image.Image:
    photo = around.sky(rng, size)
    around.ground(rng, photo, size[1] * 0.55)
    for foot in np.sort(rng.uniform(0.55, 1.15, int(rng.integers(6, 14)))):
        around.tree(
            rng, photo, rng.uniform(0, size[0]), size[1] * float(foot), size[1] * float(foot) * 0.75
        )
    return photo


def _table(rng: np.random.Generator, size: Size) -> Image.Image:
    """A plate of food."""
    cloth = np.array(pick(rng, INSIDE_COLORS), float)
    pixels = gradient(size, cloth, cloth * 0.8) * (1 + 0.1 * mottled(rng, size, 40)[..., None])
    photo = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(photo)
    x, y = size[0] * rng.uniform(0.35, 0.65), size[1] * rng.uniform(0.4, 0.6)
    radius = min(size) * rng.uniform(0.3, 0.48)
    flat = rng.uniform(0.6, 1.0)
    for share, color in ((1.0, (236, 234, 228)), (0.72, (216, 212, 204))):
        draw.ellipse(
            (
                x - radius * share,
                y - radius * share * flat,
                x + radius * share,
                y + radius * share * flat,
            ),
            fill=color,
        )
    for _ in range(int(rng.integers(8, 30))):
        angle, far = rng.uniform(0, 2 * np.pi), radius * 0.6 * rng.random()
        bit = radius * rng.uniform(0.06, 0.22)
        cx, cy = x + far * np.cos(angle), y + far * flat * np.sin(angle)
        food = pick(rng, ((188, 60, 40), (96, 140, 60), (222, 178, 96), (140, 88, 50)))
        draw.ellipse((cx - bit, cy - bit * 0.8, cx + bit, cy + bit * 0.8), fill=food)
    return photo


def _flowers(rng: np.random.Generator, size: Size) -> Image.Image:
    green = np.array(jittered(rng, (64, 104, 54)), float)
    pixels = gradient(size, green, green * 0.7) * (1 + 0.4 * mottled(rng, size, 24)[..., None])
    photo = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(photo)
    color: Color = pick(
        rng, ((220, 60, 80), (240, 200, 60), (230, 150, 190), (150, 90, 190), (244, 240, 236))
    )
    for _ in range(int(rng.integers(1, 16))):
        x, y = rng.uniform(0, size[0]), rng.uniform(0, size[1])
        radius = rng.uniform(12, 60)
        for angle in np.linspace(0, 2 * np.pi, int(rng.integers(5, 9)), endpoint=False):
            cx, cy = x + radius * 0.6 * np.cos(angle), y + radius * 0.6 * np.sin(angle)
            draw.ellipse(
                (cx - radius * 0.45, cy - radius * 0.45, cx + radius * 0.45, cy + radius * 0.45),
                fill=shaded(color, float(rng.uniform(0.8, 1.1))),
            )
        draw.ellipse(
            (x - radius * 0.3, y - radius * 0.3, x + radius * 0.3, y + radius * 0.3),
            fill=(226, 188, 64),
        )
    return photo


def _people(rng: np.random.Generator, size: Size) -> Image.Image:
    photo = around.sky(rng, size)
    around.ground(rng, photo, size[1] * rng.uniform(0.5, 0.8))
    for _ in range(int(rng.integers(1, 6))):
        around.person(
            rng,
            photo,
            rng.uniform(0.1, 0.9) * size[0],
            size[1] * rng.uniform(0.95, 1.3),
            size[1] * rng.uniform(0.7, 1.1),
        )
    return photo


def _paper(rng: np.random.Generator, size: Size) -> Image.Image:
    """A page with a title, lines of text and sometimes a plan."""
    photo = Image.new("RGB", size, jittered(rng, (232, 226, 210), 16))
    draw, (width, height) = ImageDraw.Draw(photo), size
    ink = jittered(rng, (52, 50, 56), 20)
    draw.rectangle(
        (width * 0.2, height * 0.08, width * rng.uniform(0.5, 0.8), height * 0.13), fill=ink
    )
    split = rng.uniform(0.2, 0.9)
    for y in np.arange(height * 0.2, height * 0.95, 12):
        if y / height < split:
            draw.line([(width * 0.1, y), (width * rng.uniform(0.6, 0.92), y)], fill=ink, width=4)
        elif rng.random() < 0.5:
            corners = rng.uniform(0.1, 0.9, 2) * width
            draw.rectangle(
                (corners.min(), y, corners.max() + 4, y + 10),
                outline=pick(rng, INSIDE_COLORS),
                width=3,
            )
    return photo


def _living_room(rng: np.random.Generator, size: Size) -> Image.Image:
    width, height = size
    wall = np.array(jittered(rng, (206, 200, 188), 30), float)
    photo = Image.fromarray(np.clip(gradient(size, wall, wall * 0.9), 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(photo)
    floor = height * rng.uniform(0.6, 0.75)
    draw.rectangle((0, floor, width, height), fill=jittered(rng, (140, 104, 72), 26))
    x = width * rng.uniform(0.05, 0.4)
    sofa = pick(rng, INSIDE_COLORS)
    draw.rounded_rectangle((x, floor - height * 0.26, x + width * 0.5, floor + 20), 16, fill=sofa)
    draw.rounded_rectangle(
        (x - 12, floor - height * 0.1, x + width * 0.5 + 12, floor + 34), 14, fill=shaded(sofa, 0.8)
    )
    left = width * rng.uniform(0.1, 0.7)
    draw.rectangle(
        (left, height * 0.1, left + width * 0.22, height * 0.36),
        fill=(214, 228, 240),
        outline=(250, 250, 250),
        width=6,
    )
    around.lamp(rng, photo, width * rng.uniform(0.6, 0.95), floor + 24, height * 0.45)
    return photo


KINDS: tuple[Callable[[np.random.Generator, Size], Image.Image], ...] = (
    _landscape,
    _sea,
    _street,
    _wood,
    _table,
    _flowers,
    _people,
    _paper,
    _living_room,
)


def photo_of_no_landmark(rng: np.random.Generator) -> bytes:
    """A JPEG that shows no landmark."""
    kind = KINDS[int(rng.integers(len(KINDS)))]
    photo = kind(rng, frame(rng))
    return develop(rng, photo, float(rng.choice([0.0, 0.0, 0.4])))
