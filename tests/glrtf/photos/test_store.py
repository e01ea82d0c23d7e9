import os
import shutil

import pytest
from photo_world import NUM_INDEX, image_id, write_photos
from shard_writing import photo

from glrtf.photos.store import PhotoStore, open_stores
from tfrecords_tools.errors import UserError


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    write_photos(folder)
    return folder


def test_photos_are_found_in_tars_and_in_folders(photos, tmp_path):
    stores = open_stores(str(photos), str(tmp_path))
    assert sorted(stores) == ["index", "train"]
    for split, number in (("index", 0), ("index", NUM_INDEX - 1), ("train", 0), ("train", 11)):
        assert stores[split].place(image_id(number)).read() == photo(number)
    for wrong in (image_id(NUM_INDEX), "f" * 16, "", "../../x", image_id(1) + "\n", "A" * 16):
        assert stores["index"].place(wrong) is None
    assert open_stores("", str(tmp_path)) == {}


def test_tars_are_read_once(photos, tmp_path):
    PhotoStore(str(photos), "index", str(tmp_path))
    [remembered] = list((tmp_path / "index").iterdir())
    before = remembered.stat().st_mtime_ns
    again = PhotoStore(str(photos), "index", str(tmp_path))
    assert again.place(image_id(3)).read() == photo(3)
    assert remembered.stat().st_mtime_ns == before


def test_a_link_does_not_lead_out_of_the_folder(tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    folder = tmp_path / "root" / "train" / "0" / "0" / "0"
    folder.mkdir(parents=True)
    (folder / f"{image_id(1)}.jpg").write_bytes(photo(1))
    os.symlink(tmp_path / "secret", folder / f"{image_id(2)}.jpg")
    store = PhotoStore(str(tmp_path / "root"), "train", str(tmp_path / "memory"))
    assert store.place(image_id(1)).read() == photo(1)
    assert store.place(image_id(2)) is None
    # The folder itself may be a link: that is its owner's choice.
    os.symlink(tmp_path / "root", tmp_path / "linked")
    linked = PhotoStore(str(tmp_path / "linked"), "train", str(tmp_path / "memory"))
    assert linked.place(image_id(1)).read() == photo(1)


def test_a_damaged_tar_and_a_missing_folder_are_named(photos, tmp_path):
    shutil.copytree(photos / "index", tmp_path / "index")
    tar = tmp_path / "index" / "images_000.tar"
    tar.write_bytes(tar.read_bytes()[:5000])
    with pytest.raises(UserError, match=r"images_000\.tar: expected a whole tar, found it cut"):
        PhotoStore(str(tmp_path), "index", str(tmp_path / "memory"))
    with pytest.raises(UserError, match="no such folder"):
        open_stores(str(tmp_path / "none"), str(tmp_path / "memory"))
