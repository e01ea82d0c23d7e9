import csv
import gzip
import os
import unicodedata

import pytest
from shard_writing import photo

from tfrecords_tools import arrange, build, gldv2
from tfrecords_tools.arrange import ArrangeConfig, OwnPhoto, read_names
from tfrecords_tools.dataset_info import DatasetInfo

ROWS = [
    ("Rome/Colosseum 1.jpg", "Colosseum"),
    ("Rome/Colosseum 2.jpg", "Colosseum"),
    ("pisa.png", "Torre, di Pisa"),
    ("pisa 2.jpg", "Torre, di Pisa"),
    ("cat.jpg", ""),
]


@pytest.fixture
def own(tmp_path):
    """A folder of photos with names of its own, and their table."""
    folder = tmp_path / "photos"
    for number, (name, _) in enumerate(ROWS):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo(number, kind="PNG" if name.endswith("png") else "JPEG"))
    (folder / "notes.txt").write_text("not listed")
    with open(tmp_path / "table.csv", "w", newline="") as file:
        csv.writer(file).writerows([("photo", "landmark"), *ROWS])
    return tmp_path


def flags(own, **change):
    given = {"photos": own / "photos", "table": own / "table.csv", "output": own / "root"} | change
    return [f"--{name}={value}" for name, value in given.items()]


def test_the_builder_takes_what_it_arranges(own, capsys):
    assert arrange.main(flags(own)) == 0
    assert capsys.readouterr().out == (
        f"{own}/root: 5 index photos, 4 train photos of 2 landmarks; 1 files of {own}/photos are"
        f" not in {own}/table.csv\n"
    )
    settings = {"splits": ["train", "index"], "num_shards": 1, "workers": 1}
    build.build(build.BuildConfig(str(own / "root"), str(own / "shards"), **settings))
    train, index = (DatasetInfo.load(str(own / "shards" / s)) for s in ("train", "index"))
    assert (train.num_examples, train.num_classes, index.num_examples) == (4, 2, 5)
    names = read_names(str(own / "root" / "metadata"))
    assert sorted(names.values()) == sorted(name for name, _ in ROWS)
    for image_id, name in names.items():
        linked = own / "root" / "index" / gldv2.member_path(int(image_id, 16))
        assert os.path.samefile(linked, own / "photos" / name)


def test_rejected_photos_are_listed_by_their_names(own, capsys):
    (own / "photos" / "pisa 2.jpg").write_bytes(b"\x00\x00\x00\x18ftypheic" + bytes(600))
    (own / "photos" / "cat.jpg").write_bytes(gzip.compress(b"no photo"))
    arrange.arrange(ArrangeConfig(str(own / "photos"), str(own / "table.csv"), str(own / "root")))
    settings = {"splits": ["index"], "num_shards": 7, "workers": 1}
    build.build(build.BuildConfig(str(own / "root"), str(own / "shards"), **settings))
    with open(own / "shards" / "index" / "rejects.csv", newline="") as file:
        rows = {row["photo"]: (row["image_id"], row["reason"]) for row in csv.DictReader(file)}
    assert rows == {
        "cat.jpg": ("0a6df48a27ef7db4", "gzip data"),
        "pisa 2.jpg": (gldv2.format_id(OwnPhoto("pisa 2.jpg", "").number), "HEIC photo"),
    }
    note = "note: index: 7 shards for 5 photos: most will be empty; --num_shards 1 or none"
    assert note in capsys.readouterr().err


def test_photos_that_no_row_names_are_noted(own, capsys):
    arrange.arrange(ArrangeConfig(str(own / "photos"), str(own / "table.csv"), str(own / "root")))
    table = own / "root" / "metadata" / "index.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines[:3], "00000000000000aa", ""]))
    settings = {"splits": ["index"], "num_shards": 1, "workers": 1}
    build.build(build.BuildConfig(str(own / "root"), str(own / "shards"), **settings))
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    # Of five photos two are named; of the three rows one has no photo.
    assert notes == [
        f"note: index: 3 of 5 photos in the source are not in {table} and are left out"
        " (not_in_labels in left_out.csv)",
        f"note: index: 1 of 3 photos in {table} are not in the source (missing in left_out.csv)",
    ]


def test_landmarks_are_called_as_in_the_table(own):
    from glrtf.photos.landmark_tables import landmark_names

    arrange.arrange(ArrangeConfig(str(own / "photos"), str(own / "table.csv"), str(own / "root")))
    names = landmark_names(str(own / "root"), [0, 1])
    assert names == {0: "Colosseum", 1: "Torre, di Pisa"}


def test_an_id_is_the_names_digest():
    # printf %s cat.jpg | sha256sum | cut -c 1-16
    assert gldv2.format_id(OwnPhoto("cat.jpg", "").number) == "0a6df48a27ef7db4"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "photo,place\ncat.jpg,x\n",
            "expected the columns photo and landmark, found 'photo,place'",
        ),
        ("photo,landmark\n", "expected photos below the header, found none"),
        ("photo,landmark\ncat.jpg,\n", "expected a landmark in some row, found none"),
        ("photo,landmark\nnone.jpg,x\n", "line 2: expected a file below"),
        ("photo,landmark\n../table.csv,x\n", "line 2: expected a file below"),
        ("photo,landmark\ncat.jpg,x\ncat.jpg,y\n", "line 3: expected each photo once"),
        ("photo,landmark\n./cat.jpg,x\ncat.jpg,y\n", "line 3: expected each photo once"),
        ("photo,landmark\nRome/../cat.jpg,x\ncat.jpg,y\n", "line 3: expected each photo once"),
        ("photo,landmark\ncat.jpg,Torre, di Pisa\n", "line 2: expected 2 fields"),
        ("photo,landmark,\ncat.jpg,Torre, di Pisa\n", "line 2: expected 2 fields"),
        ("photo,landmark\ncat.jpg\n", "line 2: expected 2 fields (photo,landmark), found 1"),
        ("photo,landmark,year\ncat.jpg,x,1\n", "found 'photo,landmark,year'; delete the others"),
        ("photo;landmark\ncat.jpg;x\n", "save it with commas between the columns"),
        ("sep=,\nphoto,landmark\ncat.jpg,x\n", "delete its first line"),
        ("photo,landmark\nrome\\COLOSSEUM 1.jpg,x\n", "did you mean 'Rome/Colosseum 1.jpg'?"),
    ],
)
def test_mistakes_take_one_line_and_nothing_is_written(own, capsys, table, message):
    (own / "table.csv").write_text(table)
    assert arrange.main(flags(own)) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (own / "root").exists()


def test_a_folder_with_files_is_left_alone(own, capsys):
    assert arrange.main(flags(own, output=own / "photos")) == 2
    assert "expected a new folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ("cp1252", "line 2: expected text in UTF-8, found another encoding near 'cat.jpg,Sées"),
        ("utf-16", "expected CSV text in UTF-8, found UTF-16 text; save it as CSV UTF-8"),
        ("utf-16-le", "expected CSV text in UTF-8, found UTF-16 text; save it as CSV UTF-8"),
    ],
)
def test_another_encoding_is_refused(own, capsys, encoding, message):
    # Read as UTF-8 with replacements, Sées and Sèes would be one landmark.
    text = "photo,landmark\ncat.jpg,Sées\npisa.png,Sèes\n"
    (own / "table.csv").write_bytes(text.encode(encoding))
    assert arrange.main(flags(own)) == 2
    assert message in capsys.readouterr().err
    assert not (own / "root").exists()


def test_a_packed_table_is_named_as_that(own, capsys):
    (own / "table.csv").write_bytes(gzip.compress(b"photo,landmark\ncat.jpg,x\n"))
    assert arrange.main(flags(own)) == 2
    assert "found gzip data; unpack it first" in capsys.readouterr().err


def test_names_composed_and_decomposed_are_one(own):
    """A Mac's disk holds NFD; people and other systems type NFC."""
    typed = ["Köln/Dom é.jpg", "Köln/a.jpg"]
    for number, name in enumerate(typed):
        stored = own / "photos" / unicodedata.normalize("NFD", name)
        stored.parent.mkdir(exist_ok=True)
        stored.write_bytes(photo(number))
    rows = [(typed[0], "Köln"), (typed[1], unicodedata.normalize("NFD", "Köln"))]
    with open(own / "table.csv", "w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([("photo", "landmark"), *rows, ("", "")])
    arrange.arrange(ArrangeConfig(str(own / "photos"), str(own / "table.csv"), str(own / "root")))
    names = read_names(str(own / "root" / "metadata"))
    # The ids are those that the typed names would have on any other system.
    assert names == {
        gldv2.format_id(OwnPhoto(name, "").number): unicodedata.normalize("NFD", name)
        for name in typed
    }
    labels = (own / "root" / "metadata" / "train.csv").read_text().splitlines()[1:]
    assert {line.rsplit(",", 1)[1] for line in labels} == {"0"}
    categories = own / "root" / "metadata" / "train_label_to_category.csv"
    assert categories.read_text().splitlines()[1:] == [f"0,{arrange._CATEGORY}K%C3%B6ln"]


def test_a_file_is_one_photo_by_any_path(own):
    paths = ["./cat.jpg", "Rome//Colosseum 1.jpg", str(own / "photos" / "pisa.png")]
    with open(own / "table.csv", "w", newline="") as file:
        csv.writer(file).writerows([("photo", "landmark"), *((path, "x") for path in paths)])
    arrange.arrange(ArrangeConfig(str(own / "photos"), str(own / "table.csv"), str(own / "root")))
    names = read_names(str(own / "root" / "metadata"))
    assert sorted(names.values()) == ["Rome/Colosseum 1.jpg", "cat.jpg", "pisa.png"]
    assert names["0a6df48a27ef7db4"] == "cat.jpg"
