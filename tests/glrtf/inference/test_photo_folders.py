import csv

import numpy as np
import pytest
from shard_writing import photo, write_split

from glrtf import embed
from glrtf.config.inference import EmbedConfig
from glrtf.data import photo_folders
from tfrecords_tools.errors import UserError

PLACES = ("a/0000000000000002.jpg", "a/b/0000000000000000.jpeg", "c d/0000000000000001.JPG")


def write_photos(folder, places=PLACES):
    """Photo n under the place whose name ends in n."""
    for place in places:
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo(int(path.stem)))
    return folder


def config_for(model, data, output, **settings):
    return EmbedConfig(model, str(data), str(output), batch_size=4, strategy="cpu", **settings)


def test_photos_give_the_rows_of_shards(saved_model, tmp_path):
    photos = write_photos(tmp_path / "photos")
    (photos / "notes.txt").write_text("no photo")
    write_split(tmp_path / "data" / "test", [3], split="test")
    done = embed.embed(config_for(saved_model, photos, tmp_path / "set"))
    expected = embed.embed(config_for(saved_model, tmp_path / "data", tmp_path / "expected"))
    # By path: a/…2, a/b/…0, c d/…1.
    assert [int(image_id, 16) for image_id in done.ids] == [2, 0, 1]
    np.testing.assert_allclose(done.part(0)[0], expected.part(0)[0][[2, 0, 1]], atol=1e-6)
    with open(tmp_path / "set" / "photos.csv") as file:
        assert list(csv.reader(file)) == [
            ["image_id", "path"],
            ["0000000000000002", PLACES[0]],
            ["0000000000000000", PLACES[1]],
            ["0000000000000001", PLACES[2]],
        ]


def test_a_broken_photo_is_listed_and_leaves_no_row(saved_model, tmp_path):
    photos = write_photos(tmp_path / "photos")
    (photos / "a" / "broken.jpg").write_bytes(photo(1)[:500])
    done = embed.embed(config_for(saved_model, photos, tmp_path / "set"))
    assert done.num_rows == 3 and done.meta["num_rejected"] == 1
    rejects = (tmp_path / "set" / "rejects-00000-of-00001.csv").read_text().splitlines()
    assert rejects == ["image_id,position,reason", "broken,2,truncated"]


def test_parts_are_cut_by_number_and_change_with_what_they_hold(tmp_path, monkeypatch):
    monkeypatch.setattr(photo_folders, "PHOTOS_A_PART", 2)
    photos = write_photos(tmp_path)
    first = photo_folders.open_photos(str(photos), "test")
    assert first.lengths == (2, 1)
    (photos / PLACES[2]).write_bytes(photo(1, height=30))
    second = photo_folders.open_photos(str(photos), "test")
    paths = [[shard.path for shard in each.shards] for each in (first, second)]
    assert paths[0][0] == paths[1][0] and paths[0][1] != paths[1][1]


def test_digests_of_paths_take_any_names(tmp_path):
    photos = tmp_path / "photos"
    for place in ("same.jpg", "a/same.jpg", "a name that is much longer than an id.jpg", "ü.jpg"):
        (photos / place).parent.mkdir(parents=True, exist_ok=True)
        (photos / place).write_bytes(photo(1))
    found = photo_folders.open_photos(str(photos), "test", "digest")
    ids = [image_id for _, image_id in found.shards[0].photos]
    assert len(set(ids)) == 4 and all(len(i) == 16 and int(i, 16) >= 0 for i in ids)


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (["a/1.jpg", "b/1.png"], r"b/1\.png: expected another name than a/1\.jpg has"),
        (["12345678901234567.jpg"], "expected names of at most 16 ASCII characters"),
        (["é.jpg"], "expected names of at most 16 ASCII characters"),
        (["notes.txt"], "expected shards, or photos"),
    ],
)
def test_unclear_names_take_one_line(tmp_path, places, message):
    for place in places:
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_bytes(photo(1))
    with pytest.raises(UserError, match=message):
        photo_folders.open_photos(str(tmp_path), "test")
