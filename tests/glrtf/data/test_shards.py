import gzip
import zlib

import pytest
from shard_writing import kaggle_record, photo, record, write_shard, write_split

from glrtf.data.shards import holds_shards, open_shards
from tfrecords_tools import example
from tfrecords_tools.errors import UserError


def official_record(number, label=None):
    """The features that DELF's build_image_dataset.py writes; a label in train and validation."""
    features = {
        "image/height": 24,
        "image/width": 40,
        "image/colorspace": b"RGB",
        "image/channels": 3,
        "image/format": b"JPEG",
        "image/id": f"{number:016x}".encode(),
        "image/encoded": photo(number),
    }
    return example.encode(features if label is None else {**features, "image/class/label": label})


@pytest.fixture
def official(tmp_path):
    """A folder as the official code leaves it: all splits in one, names without an ending."""
    lengths = {"train": (3, 2), "validation": (1,), "index": (2, 4), "test": (5,)}
    for split, counts in lengths.items():
        for shard, count in enumerate(counts):
            label = 0 if split in ("train", "validation") else None
            rows = [official_record(n, label) for n in range(count)]
            write_shard(tmp_path / f"{split}-{shard:05d}-of-{len(counts):05d}", rows)
    (tmp_path / "relabeling.csv").write_text("new_class,old_class\n0,7\n")
    return str(tmp_path)


@pytest.mark.parametrize(
    ("split", "lengths"),
    [("train", (3, 2)), ("validation", (1,)), ("index", (2, 4)), ("test", (5,))],
)
def test_shards_of_the_official_code_are_found_by_split(official, split, lengths):
    found = open_shards(official, split)
    assert found.lengths == lengths
    assert (found.split, found.schema, found.num_classes) == (split, "gldv2", None)
    assert all(f"/{split}-" in shard.path for shard in found.shards)
    assert holds_shards(official, split)


def test_another_split_than_the_folder_has_is_named(tmp_path):
    write_shard(tmp_path / "train-00000-of-00001", [official_record(0, 0)])
    write_shard(tmp_path / "validation-00000-of-00001", [official_record(1, 0)])
    with pytest.raises(UserError, match=r"expected shards of the split index, found those of tra"):
        open_shards(str(tmp_path), "index")


def test_a_folder_of_another_split_is_not_taken_for_photos(tmp_path):
    (tmp_path / "named").mkdir()
    write_shard(tmp_path / "named" / "train-00000-of-00001", [official_record(0, 0)])
    write_split(tmp_path / "built" / "index", [1], split="index")
    for name, found in (("named", "train"), ("built", "index")):
        assert holds_shards(str(tmp_path / name), "test")
        with pytest.raises(UserError, match=rf"of the split test, found those of {found}$"):
            open_shards(str(tmp_path / name), "test")


def test_records_that_are_no_examples_are_reported_by_name(tmp_path):
    write_shard(tmp_path / "train00.tfrec", [b"\x0a\xff"])
    with pytest.raises(UserError, match=r"train00\.tfrec: record 0: not a tf\.train\.Example"):
        open_shards(str(tmp_path))


def test_a_file_that_is_only_named_alike_is_no_shard(tmp_path):
    (tmp_path / "train-00000-of-00001.txt").write_text("notes")
    (tmp_path / "retrain-00000-of-00001").write_text("notes")
    assert not holds_shards(str(tmp_path), "train")


def compressed(data, kind):
    return gzip.compress(data) if kind == "GZIP" else zlib.compress(data)


@pytest.mark.parametrize("kind", ["GZIP", "ZLIB"])
@pytest.mark.parametrize("name", ["train-00000-of-00001", "train00.tfrec", "a.tfrecord.gz"])
def test_compressed_shards_are_named_as_what_they_are(tmp_path, kind, name):
    plain = tmp_path / "plain"
    write_shard(plain, [record(0), record(1)])
    (tmp_path / name).write_bytes(compressed(plain.read_bytes(), kind))
    with pytest.raises(UserError) as caught:
        open_shards(str(tmp_path), "train")
    assert f"{name}: expected a TFRecord file that is not compressed, found one that" in str(
        caught.value
    )
    assert f"compressed with {kind}" in str(caught.value)


def test_damage_is_not_called_compression(tmp_path):
    write_shard(tmp_path / "train00.tfrec", [kaggle_record(0)])
    data = bytearray((tmp_path / "train00.tfrec").read_bytes())
    data[0] ^= 1
    (tmp_path / "train00.tfrec").write_bytes(data)
    with pytest.raises(UserError, match="cut or altered at record 0"):
        open_shards(str(tmp_path), "train")
