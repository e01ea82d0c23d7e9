import io

import numpy as np
import pytest
from PIL import Image
from shard_writing import photo

from glrtf.service.boxes import Box, NothingInsideError, as_png
from glrtf.service.decoder_child import RefusedPhotoError, read_pixels
from glrtf.service.decoder_pool import DecoderPool
from glrtf.service.photo_input import PhotoReader

PIXELS = np.arange(20 * 40 * 3, dtype=np.uint8).reshape(20, 40, 3)


@pytest.mark.parametrize(
    ("text", "rows", "columns"),
    [
        ("4,2,30,18", slice(2, 18), slice(4, 30)),
        # Shares of 40 columns and 20 rows.
        ("0.25,0.5,0.75,1", slice(10, 20), slice(10, 30)),
        ("0,0,1,1", slice(0, 20), slice(0, 40)),
        # What lies outside is left off; pixels between two are rounded.
        ("30.4,2,99,18", slice(2, 18), slice(30, 40)),
    ],
)
def test_a_box_cuts_its_pixels(text, rows, columns):
    np.testing.assert_array_equal(Box.parse(text).cut(PIXELS), PIXELS[rows, columns])


@pytest.mark.parametrize(
    "text", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "9,2,3,8", "1,8,3,2", "-1,0,3,3", "0,0,nan,1"]
)
def test_what_is_no_box_is_refused(text):
    with pytest.raises(ValueError, match="expected x0"):
        Box.parse(text)


def test_a_box_beyond_the_photo_is_refused():
    with pytest.raises(
        NothingInsideError, match="the box 50,0,60,10 lies outside the photo of 40x20"
    ):
        Box.parse("50,0,60,10").cut(PIXELS)
    with pytest.raises(RefusedPhotoError, match="the box 50,0,60,10 lies outside"):
        read_pixels(photo(1), box=(50, 0, 60, 10))


@pytest.mark.parametrize("max_side", [None, 40])
def test_a_box_gives_what_a_photo_cut_by_hand_gives(max_side):
    data = photo(3, 90, 120, "PNG")  # Decoders differ by some grey levels on a JPEG.
    with Image.open(io.BytesIO(data)) as image:
        by_hand = as_png(np.asarray(image)[10:80, 20:110])
    expected = read_pixels(by_hand, max_side=max_side)
    np.testing.assert_array_equal(
        read_pixels(data, max_side=max_side, box=(20, 10, 110, 80)), expected
    )


def test_a_box_is_on_the_upright_photo():
    tags = Image.Exif()
    tags[0x0112] = 6  # Shown after a quarter turn clockwise.
    turned = io.BytesIO()
    with Image.open(io.BytesIO(photo(2, 60, 80))) as image:
        stored = image.transpose(Image.Transpose.ROTATE_90)
        stored.save(turned, "PNG", exif=tags.tobytes())
        expected = read_pixels(as_png(np.asarray(image)[5:45, 30:75]))
    found = read_pixels(turned.getvalue(), box=(30, 5, 75, 45))
    np.testing.assert_array_equal(found, expected)


def test_decoder_processes_cut_boxes_too():
    pool = DecoderPool(1, 60)
    try:
        alone, apart = PhotoReader(32), PhotoReader(32, decoders=pool)
        box = Box.parse("0.25,0.25,1,1")
        data = photo(4, 60, 80)
        np.testing.assert_array_equal(apart(data, box=box), alone(data, box=box))
        assert (alone(data, box=box) != alone(data)).any()
    finally:
        pool.close()
