import csv
import os
import unicodedata

import numpy as np
import pytest
from shard_writing import photo, write_split

from glrtf.commands import embed
from glrtf.config.inference import EmbedConfig
from glrtf.data import photo_folders
from tfrecords_tools.arrange import OwnPhoto
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
    done = embed.embed(config_for(saved_model, photos, tmp_path / "set")).set
    expected = embed.embed(config_for(saved_model, tmp_path / "data", tmp_path / "expected")).set
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
    done = embed.embed(config_for(saved_model, photos, tmp_path / "set")).set
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


def test_what_is_no_photo_is_counted_and_listed(saved_model, tmp_path, capsys):
    photos = write_photos(tmp_path / "photos", ("1.jfif", "2.JPE"))
    elsewhere = write_photos(tmp_path / "elsewhere", ("3.jpg",))
    (photos / "4.HEIC").write_bytes(b"\x00\x00\x00\x18ftypheic")
    (photos / "5").write_bytes(photo(5))
    (photos / "6").write_text("notes")
    (photos / "7.txt").write_text("notes")
    (photos / "linked").symlink_to(elsewhere)
    (photos / "8.jpg").symlink_to(elsewhere / "none.jpg")
    (photos / "9.jpg").symlink_to(elsewhere / "3.jpg")
    os.mkfifo(photos / "10.jpg")
    with open(os.fsencode(photos) + b"/\xff.jpg", "wb") as file:
        file.write(photo(1))
    flags = [f"--model={saved_model}", f"--data={photos}", f"--output={tmp_path / 'set'}"]
    assert embed.main([*flags, "--batch_size=4", "--strategy=cpu"]) == 0
    captured = capsys.readouterr()
    assert "3 rows" in captured.out
    assert f"note: {photos}: 8 files or folders are left out (1 no regular file, " in captured.err
    with open(tmp_path / "set" / "left_out.csv", newline="") as file:
        assert list(csv.reader(file)) == [
            ["path", "reason"],
            ["10.jpg", "no regular file"],
            ["4.HEIC", "a HEIC photo; convert it to JPEG"],
            ["5", "a JPEG image without a photo's ending; rename it"],
            ["6", "no ending of a photo"],
            ["7.txt", "the ending .txt is no photo's"],
            ["8.jpg", "a link to nothing"],
            ["\\udcff.jpg", "a name that is not UTF-8; rename it"],
            ["linked", "a link to a folder; name the folder it leads to"],
        ]
    with open(tmp_path / "set" / "photos.csv", newline="") as file:
        assert [row[1] for row in csv.reader(file)][1:] == ["1.jfif", "2.JPE", "9.jpg"]


def test_digests_are_those_of_arranged_photos(tmp_path):
    """One name in NFC and NFD, on two disks, is one photo."""
    ids = []
    for form in ("NFC", "NFD"):
        folder = tmp_path / form
        folder.mkdir()
        (folder / unicodedata.normalize(form, "Köln é.jpg")).write_bytes(photo(1))
        [shard] = photo_folders.open_photos(str(folder), "test", "digest").shards
        ids.append(shard.photos[0][1])
    number = OwnPhoto("Köln é.jpg", "").number
    assert ids == [f"{number:016x}"] * 2


def test_names_and_paths_as_ids(tmp_path):
    """Names of phones, scanners and people: composed, and 250 letters long."""
    names = [
        "IMG (2).jpg",
        "Ko\u0308ln, Dom.png",
        'a"b.jpg',
        "a.jpg.png",
        ".a.jpg",
        "x" * 250 + ".jpg",
    ]
    for name in names:
        (tmp_path / "below").mkdir(exist_ok=True)
        (tmp_path / "below" / name).write_bytes(photo(1))
    stems = {"IMG (2)", "Köln, Dom", 'a"b', "a.jpg", ".a", "x" * 250}
    [shard] = photo_folders.open_photos(str(tmp_path), "test").shards
    assert {image_id for _, image_id in shard.photos} == stems
    (tmp_path / "below" / names[-1]).unlink()
    [shard] = photo_folders.open_photos(str(tmp_path), "test", "path").shards
    assert {image_id for _, image_id in shard.photos} == {
        f"below/{unicodedata.normalize('NFC', name)}" for name in names[:-1]
    }


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (
            ["a/1.jpg", "b/1.png"],
            r"b/1\.png: expected another name than a/1\.jpg has.* --photo_ids path",
        ),
        (["a\nb.jpg"], r"text without control .* found 'a\\nb' .*, or use --photo_ids digest"),
        ([" a.jpg"], r"spaces at its ends, found ' a' as its image id"),
        (["notes.txt", "a.HEIC"], r"found neither \(1 a HEIC photo, 1 a JPEG image"),
    ],
)
def test_unclear_names_take_one_line(tmp_path, places, message):
    for place in places:
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_bytes(photo(1))
    with pytest.raises(UserError, match=message):
        photo_folders.open_photos(str(tmp_path), "test")
