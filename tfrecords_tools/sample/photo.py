"""Photos of the sample's landmarks: the outside, the inside, or both in one photo."""

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from tfrecords_tools.sample import surroundings as around
from tfrecords_tools.sample.camera import develop, frame, project, take, view_matrix
from tfrecords_tools.sample.canvas import arch
from tfrecords_tools.sample.outside import GROUND

OUTDOOR_DARKNESS = (0.0, 0.0, 0.0, 0.0, 0.3, 0.6)
INDOOR_DARKNESS = (0.0, 0.0, 0.3)


def photo_of_outside(rng: np.random.Generator, scene: Image.Image) -> bytes:
    """A JPEG of a building, from a random viewpoint and hour and with random occluders.

    Args:
        rng: The random generator.
        scene: RGBA; see `outside.draw_outside`.
    """
    return develop(rng, _outside(rng, scene, frame(rng)), float(rng.choice(OUTDOOR_DARKNESS)))


def photo_of_inside(rng: np.random.Generator, scene: Image.Image) -> bytes:
    """A JPEG of a hall; for `scene`, see `inside.draw_inside`."""
    return develop(rng, _inside(rng, scene, frame(rng)), float(rng.choice(INDOOR_DARKNESS)))


def photo_of_both(rng: np.random.Generator, outside: Image.Image, inside: Image.Image) -> bytes:
    """A JPEG that shows both: a postcard with two views, or the hall through an open gate."""
    maker = _postcard if rng.random() < 0.5 else _through_the_gate
    return develop(rng, maker(rng, outside, inside, frame(rng)))


def _outside(
    rng: np.random.Generator, scene: Image.Image, size: tuple[int, int], zoom: float = 0.0
) -> Image.Image:
    matrix = view_matrix(
        size,
        zoom=zoom or float(np.exp(rng.normal(0.32, 0.18))),
        yaw=rng.uniform(-32, 32),
        pitch=rng.uniform(-6, 14),
        roll=rng.normal(0, 3),
        shift=(rng.normal(0, 0.08), rng.normal(0.02, 0.06)),
    )
    foot = project(matrix, 240, GROUND)[1]
    photo = around.sky(rng, size)
    horizon = foot - rng.uniform(4, 36)
    around.skyline(rng, photo, horizon)
    around.ground(rng, photo, horizon)
    _stand(photo, take(scene, matrix, size), leaning=matrix[2, 0] * size[0])
    around.before_outside(rng, photo, foot)
    return photo


def _stand(photo: Image.Image, building: Image.Image, leaning: float) -> None:
    """Pastes a building with the side wall that is visible at its rotation."""
    shadow = Image.new("RGB", building.size, (46, 44, 48))
    front = building.convert("RGB")
    side = Image.blend(front, shadow, 0.55)
    alpha = building.getchannel("A")
    step = 3 if leaning > 0 else -3
    for depth in range(min(7, int(abs(leaning) * 24)), 0, -1):
        photo.paste(side, (step * depth, -depth), alpha)
    photo.paste(front, (0, 0), alpha)


def _inside(rng: np.random.Generator, scene: Image.Image, size: tuple[int, int]) -> Image.Image:
    aspect = size[0] / size[1]
    zoom = max(1.0, aspect) * float(np.exp(np.abs(rng.normal(0.18, 0.2))))
    spare = 0.5 * (1 - max(1.0, aspect) / zoom)
    matrix = view_matrix(
        size,
        zoom=zoom,
        yaw=rng.uniform(-30, 30),
        pitch=rng.uniform(-14, 14),
        roll=rng.normal(0, 3.5),
        shift=(rng.uniform(-spare, spare), rng.uniform(-spare, spare)),
    )
    # The hall continues beyond the edge of the scene: a blurred mirror image fills that space.
    seen = take(scene, matrix, size)
    photo = ImageOps.mirror(scene.convert("RGB").resize((24, 24))).resize(
        size, Image.Resampling.BICUBIC
    )
    photo = photo.point(lambda value: int(value * 0.7))
    photo.paste(seen, (0, 0), seen.getchannel("A"))
    around.before_inside(rng, photo)
    return photo


def _postcard(
    rng: np.random.Generator, outside: Image.Image, inside: Image.Image, size: tuple[int, int]
) -> Image.Image:
    width, height = size
    card = Image.new("RGB", size, (240, 236, 226))
    upright = height > width
    half = (width - 16, height // 2 - 12) if upright else (width // 2 - 12, height - 16)
    second = (8, height // 2 + 4) if upright else (width // 2 + 4, 8)
    views = [_outside(rng, outside, half), _inside(rng, inside, half)]
    if rng.random() < 0.5:
        views.reverse()
    for view, corner in zip(views, ((8, 8), second), strict=True):
        card.paste(view, corner)
    return card


def _through_the_gate(
    rng: np.random.Generator, outside: Image.Image, inside: Image.Image, size: tuple[int, int]
) -> Image.Image:
    """The front from nearby; a wide open gate shows the hall."""
    width, height = size
    photo = _outside(rng, outside, size, zoom=rng.uniform(1.15, 1.5))
    wide, high = width * rng.uniform(0.36, 0.5), height * rng.uniform(0.5, 0.66)
    left = rng.uniform(0.1, 0.9) * (width - wide)
    box = (left, height - high, left + wide, height + 4.0)
    mask = Image.new("L", size, 0)
    kind = str(rng.choice(["round", "pointed"]))
    ImageDraw.Draw(mask).polygon(arch(box, kind), fill=255)
    framed = (box[0] - 8, box[1] - 9, box[2] + 8, box[3])
    ImageDraw.Draw(photo).polygon(arch(framed, kind), fill=(70, 62, 56))
    hall = _inside(rng, inside, (int(wide) + 1, int(high) + 4))
    layer = Image.new("RGB", size)
    layer.paste(hall, (int(box[0]), int(box[1])))
    photo.paste(layer, (0, 0), mask)
    return photo
