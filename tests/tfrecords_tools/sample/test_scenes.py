import numpy as np
import pytest
from PIL import Image

from tfrecords_tools.sample import inside as sample_inside
from tfrecords_tools.sample import materials, other
from tfrecords_tools.sample import outside as sample_outside
from tfrecords_tools.sample.camera import project, view_matrix
from tfrecords_tools.sample.canvas import homography
from tfrecords_tools.sample.photo import photo_of_both, photo_of_inside, photo_of_outside

SIZE = materials.SIZE


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("kind", sample_outside.KINDS)
def test_a_building_stands_on_the_ground_before_nothing(kind: str) -> None:
    alpha = np.asarray(sample_outside.draw_outside(_rng(), kind).getchannel("A"))
    assert 0.05 < (alpha > 0).mean() < 0.7
    below = alpha[int(sample_outside.GROUND) + 2 :]
    assert not below.any()
    assert alpha[int(sample_outside.GROUND) - 3].any()


@pytest.mark.parametrize("kind", sample_inside.KINDS)
def test_a_hall_fills_its_picture(kind: str) -> None:
    scene = sample_inside.draw_inside(_rng(), kind)
    assert scene.getchannel("A").getextrema() == (255, 255)
    assert np.asarray(scene.convert("L"), float).std() > 15


def test_outside_and_inside_walls_share_no_texture() -> None:
    assert not set(materials.OUTSIDE) & set(materials.INSIDE)


@pytest.mark.parametrize("kind", [*materials.OUTSIDE, *materials.INSIDE])
def test_textures_are_pictures_of_their_own_colors(kind: str) -> None:
    drawn = materials.texture(_rng(), kind, (120, 130, 140), (90, 100, 110))
    assert drawn.shape == (SIZE, SIZE, 3)
    assert drawn.dtype == np.float32
    assert drawn.min() >= 0 and drawn.max() <= 255
    assert drawn.std() > 1


def test_other_photos_are_all_of_other_kinds() -> None:
    for number, kind in enumerate(other.KINDS):
        photo = kind(_rng(number), (200, 150))
        assert photo.size == (200, 150)
        assert np.asarray(photo.convert("L"), float).std() > 5


def test_a_homography_takes_its_four_points_where_they_belong() -> None:
    source = [(0.0, 0.0), (10.0, 0.0), (12.0, 9.0), (-1.0, 8.0)]
    target = [(3.0, 4.0), (40.0, 1.0), (38.0, 30.0), (5.0, 28.0)]
    matrix = homography(source, target)
    for (x, y), expected in zip(source, target, strict=True):
        assert project(matrix, x, y) == pytest.approx(expected)


def test_a_level_camera_shows_the_scene_straight() -> None:
    matrix = view_matrix((240, 160), zoom=1, yaw=0, pitch=0, roll=0, shift=(0, 0))
    # The scene's height fills the photo's: 160 / 480 of its size, about the middle.
    assert project(matrix, 240, 240) == pytest.approx((120, 80))
    assert project(matrix, 240, 480) == pytest.approx((120, 160))
    assert project(matrix, 0, 240) == pytest.approx((40, 80))


def test_a_turned_camera_makes_the_far_side_smaller() -> None:
    matrix = view_matrix((240, 160), zoom=1, yaw=30, pitch=0, roll=0, shift=(0, 0))
    heights = [project(matrix, x, 480)[1] - project(matrix, x, 0)[1] for x in (0.0, 240.0, 480.0)]
    assert heights[1] == pytest.approx(160)
    assert (heights[0] - 160) * (heights[2] - 160) < 0


def test_photos_of_one_scene_differ_and_follow_from_their_seed() -> None:
    outside = sample_outside.draw_outside(_rng(1), "castle")
    inside = sample_inside.draw_inside(_rng(2), "nave")
    for take in (
        lambda seed: photo_of_outside(_rng(seed), outside),
        lambda seed: photo_of_inside(_rng(seed), inside),
        lambda seed: photo_of_both(_rng(seed), outside, inside),
        lambda seed: other.photo_of_no_landmark(_rng(seed)),
    ):
        photos = [take(seed) for seed in (0, 1, 0)]
        assert photos[0] == photos[2] != photos[1]
        assert photos[0].startswith(b"\xff\xd8")


def test_both_ways_of_showing_both_hold_inside_and_outside() -> None:
    """A red building with a green hall: a photo of both shows plenty of either colour."""
    outside = Image.new("RGBA", (SIZE, SIZE), (220, 20, 20, 255))
    inside = Image.new("RGBA", (SIZE, SIZE), (20, 220, 20, 255))
    import io

    for seed in range(8):
        data = photo_of_both(_rng(seed), outside, inside)
        pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), float)
        reddish = (pixels[..., 0] > 1.5 * pixels[..., 1]).mean()
        greenish = (pixels[..., 1] > 1.5 * pixels[..., 0]).mean()
        assert min(reddish, greenish) > 0.06
