import os
import tarfile

import pytest
import retrieval_files as rf

from glrtf.photos import find
from tfrecords_tools.errors import UserError


def test_photos_in_tars(source):
    places = find.find_photos(str(source), {rf.A, rf.TRAIN[1], rf.QUERY_IDS[3], rf.C})
    assert set(places) == {rf.A, rf.TRAIN[1], rf.QUERY_IDS[3]}
    assert places[rf.TRAIN[1]].read() == rf.jpeg(64, 32, (40, 9, 99))
    assert places[rf.A].path.endswith("index/images_000.tar")


def test_photos_in_folders(tmp_path):
    for folder in ("test/0/1/0", "a/0/0"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "test/0/1/0" / f"{rf.QUERY_IDS[0]}.jpg").write_bytes(b"one")
    (tmp_path / "a/0/0" / f"{rf.A}.jpg").write_bytes(b"two")
    places = find.find_photos(str(tmp_path), [rf.QUERY_IDS[0], rf.A])
    assert [places[i].read() for i in (rf.QUERY_IDS[0], rf.A)] == [b"one", b"two"]


def test_a_damaged_tar(source):
    path = source / "index" / "images_000.tar"
    data = bytearray(path.read_bytes())
    data[:512] = b"x" * 512
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"images_000\.tar: expected a whole tar, found it damaged"):
        find.find_photos(str(source), {rf.A})


def test_a_tar_damaged_behind_its_first_member(source):
    path = source / "index" / "images_000.tar"
    with tarfile.open(path) as tar:
        first, second, *_ = tar.getmembers()
    data = bytearray(path.read_bytes())
    data[second.offset : second.offset + 512] = b"x" * 512
    path.write_bytes(data)
    first_id, second_id = (os.path.basename(m.name)[:-4] for m in (first, second))
    # Nothing behind the last photo that is wanted is read.
    assert set(find.find_photos(str(source), {first_id})) == {first_id}
    with pytest.raises(UserError, match=r"images_000\.tar: .* damaged header .* after 1 members"):
        find.find_photos(str(source), {first_id, second_id})


def test_no_photos(tmp_path):
    assert find.find_photos(str(tmp_path), {rf.A}) == {}
    with pytest.raises(UserError, match="no such folder"):
        find.find_photos(str(tmp_path / "none"), {rf.A})


def test_real_tars(minigld):
    ids = (minigld / "metadata" / "index.csv").read_text().split()[1:]
    places = find.find_photos(str(minigld), ids)
    assert set(places) == set(ids)
    assert all(place.read()[:2] == b"\xff\xd8" for place in places.values())
