import io

import numpy as np
import pytest
import retrieval_files as rf
from jpeg_files import exif, sampled
from PIL import Image

from glrtf.photos import find, thumbnails
from tfrecords_tools import jpeg


def opened(data):
    return Image.open(io.BytesIO(data))


def test_longest_side_and_shape_are_kept():
    assert opened(thumbnails.thumbnail(rf.jpeg(400, 200, "red"), 100)).size == (100, 50)
    assert opened(thumbnails.thumbnail(rf.jpeg(40, 20, "red"), 100)).size == (40, 20)


def test_orientation_is_followed():
    image = Image.new("RGB", (80, 40))
    exif = image.getexif()
    exif[0x0112] = 6  # turned by a quarter
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif)
    assert opened(thumbnails.thumbnail(out.getvalue(), 40)).size == (20, 40)


def test_orientation_follows_the_builders_rule():
    twice = exif((0x0112, 3, 1, 1), (0x0112, 3, 1, 6))
    assert opened(thumbnails.thumbnail(sampled([(1, 1)], before=twice), 35)).size == (35, 25)


def test_rare_coding_processes_are_not_decoded_at_a_reduced_scale(monkeypatch):
    data = bytearray(rf.jpeg(400, 200, "red"))
    data[jpeg.read_header(bytes(data)).frame_offset + 1] = 0xC7  # The header alone is changed.
    calls = []
    monkeypatch.setattr(Image.Image, "draft", lambda *_: calls.append(1))
    with pytest.raises(OSError, match="unusual JPEG process"):
        thumbnails.thumbnail(bytes(data), 40)
    assert not calls


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_other_colour_modes_become_rgb(mode):
    out = io.BytesIO()
    Image.new(mode, (30, 30)).save(out, "JPEG")
    assert opened(thumbnails.thumbnail(out.getvalue(), 16)).mode == "RGB"


def test_made_once(source, tmp_path):
    places = find.find_photos(str(source), {rf.A, rf.B, rf.D})
    made, refused = thumbnails.make_thumbnails(places, str(tmp_path / "out"), 32)
    assert (made, refused) == ({rf.A, rf.B}, [rf.D])
    path = tmp_path / "out" / thumbnails.relative_path(rf.A, 32)
    assert opened(path.read_bytes()).size == (32, 16)
    path.write_bytes(b"kept")
    thumbnails.make_thumbnails(places, str(tmp_path / "out"), 32)
    assert path.read_bytes() == b"kept"


def test_broken_photos_are_refused_not_fatal(faults):
    for path in sorted(faults.iterdir()):
        try:
            small = opened(thumbnails.thumbnail(path.read_bytes(), 32))
        except OSError:
            continue
        assert small.mode == "RGB"
        assert max(small.size) <= 32
    good = np.asarray(opened(thumbnails.thumbnail((faults / "ok.jpg").read_bytes(), 32)))
    assert good.std() > 0
