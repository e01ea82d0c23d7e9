"""Takes the sample's photos: viewpoint, light, lens and JPEG compression."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from tfrecords_tools.sample.materials import SIZE, smooth_noise

OVERSAMPLING = 2
"""Photos are composed at this many times their size, then reduced."""

FRAMES = ((192, 144), (144, 192), (192, 128), (160, 160), (176, 132))
"""Width and height of photos in pixels."""

DISTANCE = 1.7 * SIZE
"""Distance from the camera to the plane of the landmark, in scene pixels."""


def frame(rng: np.random.Generator) -> tuple[int, int]:
    """Draws the width and height of a photo at random, before it is reduced."""
    width, height = FRAMES[int(rng.integers(len(FRAMES)))]
    return OVERSAMPLING * width, OVERSAMPLING * height


def view_matrix(
    size: tuple[int, int],
    *,
    zoom: float,
    yaw: float,
    pitch: float,
    roll: float,
    shift: tuple[float, float],
) -> NDArray[np.float64]:
    """The homography of a pinhole camera's view of the landmark's plane.

    With the rotation columns r1, r2 and the translation t, points of the plane are mapped by
    H = K [r1 r2 t] (Hartley and Zisserman, Multiple View Geometry, section 8.1).

    Args:
        size: Width and height of the photo in pixels.
        zoom: With 1, the scene is as high as the photo.
        yaw: Rotation about the vertical axis in degrees.
        pitch: Rotation about the horizontal axis in degrees.
        roll: Rotation about the line of sight in degrees.
        shift: Offset of the scene's centre, as shares of width and height.

    Returns:
        Float64 ``(3, 3)``, from scene pixels to photo pixels, homogeneous.
    """
    width, height = size
    (sa, ca), (sb, cb), (sc, cc) = (
        (np.sin(angle), np.cos(angle)) for angle in np.radians([yaw, pitch, roll])
    )
    about_y = np.array([[ca, 0, sa], [0, 1, 0], [-sa, 0, ca]])
    about_x = np.array([[1, 0, 0], [0, cb, -sb], [0, sb, cb]])
    about_z = np.array([[cc, -sc, 0], [sc, cc, 0], [0, 0, 1]])
    rotation = about_z @ about_x @ about_y
    focal = zoom * DISTANCE * height / SIZE
    lens = np.array(
        [[focal, 0, width * (0.5 + shift[0])], [0, focal, height * (0.5 + shift[1])], [0, 0, 1]]
    )
    to_camera = np.column_stack([rotation[:, 0], rotation[:, 1], [0, 0, DISTANCE]])
    centred = np.array([[1, 0, -SIZE / 2], [0, 1, -SIZE / 2], [0, 0, 1]])
    return lens @ to_camera @ centred


def project(matrix: NDArray[np.float64], x: float, y: float) -> tuple[float, float]:
    """The photo pixel of a scene point."""
    u, v, w = matrix @ np.array([x, y, 1.0])
    return float(u / w), float(v / w)


def take(scene: Image.Image, matrix: NDArray[np.float64], size: tuple[int, int]) -> Image.Image:
    """The scene as the camera sees it, transparent outside the scene."""
    back = np.linalg.inv(matrix)
    back /= back[2, 2]
    return scene.transform(
        size,
        Image.Transform.PERSPECTIVE,
        tuple(back.ravel()[:8]),
        Image.Resampling.BILINEAR,
    )


def develop(rng: np.random.Generator, photo: Image.Image, dark: float = 0.0) -> bytes:
    """Reduces an oversampled picture, applies lighting, blur and grain, and encodes a JPEG.

    Args:
        rng: The random generator.
        photo: An RGB picture, `OVERSAMPLING` times as large as the photo.
        dark: From 0 (daylight) to 1 (night).
    """
    small = photo.reduce(OVERSAMPLING)
    if rng.random() < 0.3:
        small = small.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.1)))
    pixels = lit(rng, np.asarray(small, np.float32) / np.float32(255), dark)
    pixels += rng.normal(0, rng.uniform(0.004, 0.026), (*pixels.shape[:2], 1)).astype(np.float32)
    buffer = io.BytesIO()
    finished = Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8))
    finished.save(buffer, "JPEG", quality=int(rng.integers(72, 93)))
    return buffer.getvalue()


def lit(rng: np.random.Generator, pixels: NDArray[np.float32], dark: float) -> NDArray[np.float32]:
    """Applies exposure, contrast, white balance, a shadow across the picture and vignetting.

    Args:
        rng: The random generator.
        pixels: Float32 ``(height, width, 3)`` in 0..1.
        dark: From 0 (daylight) to 1 (night).
    """
    height, width = pixels.shape[:2]
    warmth = rng.normal(0, 0.05)
    balance = np.array([1 + warmth, 1.0, 1 - warmth]) * (1 - dark * np.array([0.5, 0.45, 0.3]))
    exposure, contrast = rng.uniform(0.82, 1.25), rng.uniform(0.8, 1.2)
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    slope = rng.normal(0, 0.12, 2)
    shading = 1 + slope[0] * x + slope[1] * y - rng.uniform(0, 0.22) * (x**2 + y**2)
    if rng.random() < 0.35:
        edge = 6 * (x * rng.normal() + y * rng.normal() - rng.normal() * 0.4)
        shading = shading * (1 - rng.uniform(0.15, 0.4) / (1 + np.exp(-edge)))
    toned = ((pixels - 0.5) * contrast + 0.5) * (exposure * balance).astype(np.float32)
    return toned * shading[..., None].astype(np.float32)


def gradient(
    size: tuple[int, int], top: NDArray[np.float64], bottom: NDArray[np.float64]
) -> NDArray[np.float32]:
    """A vertical gradient, float32 ``(height, width, 3)``."""
    width, height = size
    share = np.linspace(0, 1, height)[:, None]
    column = top * (1 - share) + bottom * share
    return np.repeat(column[:, None, :], width, axis=1).astype(np.float32)


def mottled(rng: np.random.Generator, size: tuple[int, int], cells: int) -> NDArray[np.float32]:
    """Smooth noise in -1..1 of any size, float32 ``(height, width)``."""
    width, height = size
    side = max(width, height)
    coarse = smooth_noise(rng, cells, max(cells + 1, side // 4))
    return np.asarray(
        Image.fromarray(coarse).resize((side, side), Image.Resampling.BILINEAR), np.float32
    )[:height, :width]
