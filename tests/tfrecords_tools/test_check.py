import dataclasses
import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from tiny_gldv2 import write_train, write_unlabelled

from tfrecords_tools import build, check, schema, tfrecord
from tfrecords_tools.build import BuildConfig
from tfrecords_tools.dataset_info import DatasetInfo
from tfrecords_tools.storage import files


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    root = tmp_path_factory.mktemp("check")
    write_train(root / "gldv2")
    write_unlabelled(root / "gldv2", "test")
    config = BuildConfig(str(root / "gldv2"), str(root / "out"), ["train", "test"], num_shards=3)
    build.build(config)
    return root / "out"


@pytest.fixture
def output(built, tmp_path):
    shutil.copytree(built, tmp_path / "out")
    return tmp_path / "out"


def _shard(output, number):
    return output / "train" / f"train-{number:05d}-of-00003.tfrecord"


def _faults(output, capsys):
    code = check.main([str(output)])
    lines = capsys.readouterr().out.splitlines()
    faults = [line for line in lines if ".tfrecord:" in line or "more than once" in line]
    assert code == (1 if faults else 0)
    return faults


def test_sound_shards_pass(output, capsys):
    assert _faults(output, capsys) == []
    assert _faults(output / "train", capsys) == []


@pytest.mark.parametrize("change", ["other landmark", "one row less", "deleted"])
def test_an_altered_label_map_is_named(output, capsys, change):
    path = output / "train" / "labels.csv"
    lines = path.read_text().splitlines()
    label, landmark, count = lines[1].split(",")
    lines[1] = f"{label},{int(landmark) + 1},{count}"
    if change == "deleted":
        path.unlink()
    else:
        path.write_text("\n".join(lines[: -1 if change == "one row less" else None]) + "\n")
    assert check.main([str(output)]) == 1
    assert f"{path}: " in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize("length", [0, 5, 100, -1])
def test_a_cut_shard_is_named(output, capsys, length):
    path = _shard(output, 1)
    path.write_bytes(path.read_bytes()[:length])
    faults = _faults(output, capsys)
    assert any(f"{path}: cut: " in line for line in faults)
    assert all(str(path) in line for line in faults)


def test_an_altered_byte_is_named_with_its_place(output, capsys):
    path = _shard(output, 2)
    data = bytearray(path.read_bytes())
    data[300] ^= 1
    path.write_bytes(data)
    faults = _faults(output, capsys)
    assert f"{path}: altered record at byte 0" in faults
    assert any(line.startswith(f"{path}: altered: SHA-256") for line in faults)


def test_a_shard_over_another_is_named_as_its_copy(output, capsys):
    shutil.copy(_shard(output, 0), _shard(output, 1))
    faults = _faults(output, capsys)
    copy = f"{_shard(output, 1)}: doubled: it is a copy of {_shard(output, 0).name}"
    assert copy in faults
    assert any("images occur more than once" in line for line in faults)


def test_a_shard_twice_over_is_named(output, capsys):
    path = _shard(output, 0)
    path.write_bytes(path.read_bytes() * 2)
    faults = _faults(output, capsys)
    assert any(f"{path}: too long" in line for line in faults)
    assert any("records, expected" in line for line in faults)


def test_missing_and_foreign_shards_are_named(output, capsys):
    _shard(output, 0).rename(output / "train" / "other.tfrecord")
    faults = _faults(output, capsys)
    assert f"{_shard(output, 0)}: missing" in faults
    assert any("other.tfrecord: foreign" in line for line in faults)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (schema.encode_example(b"x", "a" * 16, 5, 1, 1, 1), "label 5 is not in 0..4"),
        (schema.encode_example(b"x", "a" * 16, -1, 1, 1, 1), "label -1 is not in 0..4"),
        (schema.encode_example(b"x", "nonsense", 0, 1, 1, 1), "not an image id: b'nonsense'"),
        (b"hello", "not a tf.train.Example"),
    ],
)
def test_foreign_records_are_named_even_with_right_digests(output, capsys, record, message):
    path = _shard(output, 1)
    before, after = tfrecord.frame(record)
    path.write_bytes(before + record + after)
    info = DatasetInfo.load(str(output / "train"))
    from tfrecords_tools.storage import files

    forged = dataclasses.replace(
        info.shards[1],
        num_examples=1,
        bytes=path.stat().st_size,
        sha256=files.sha256(str(path)),
    )
    shards = (info.shards[0], forged, info.shards[2])
    total = sum(shard.num_examples for shard in shards)
    dataclasses.replace(info, shards=shards, num_examples=total).save(str(output / "train"))
    assert any(message in line for line in _faults(output, capsys))


def test_counts_that_do_not_add_up_are_reported(output, capsys):
    path = output / "test" / "dataset_info.json"
    values = json.loads(path.read_text())
    values["num_examples"] += 1
    del values[files.SEAL]  # As a user would who edits the file on purpose.
    path.write_text(json.dumps(values))
    assert check.main([str(output)]) == 1
    assert "num_examples is 7, its shards hold 6" in capsys.readouterr().out


def test_an_unfinished_set_is_refused(output, capsys):
    (output / "test" / "dataset_info.json").unlink()
    assert check.main([str(output)]) == 2
    assert "expected a folder of finished shards" in capsys.readouterr().err


def test_a_folder_without_shards_is_refused(tmp_path, capsys):
    assert check.main([str(tmp_path)]) == 2
    assert "found none of them" in capsys.readouterr().err


def test_the_contact_sheet_shows_images_of_every_set(output, tmp_path, capsys):
    sheet = tmp_path / "sheet.png"
    assert check.main([str(output), "--sample", "12", "--sheet", str(sheet)]) == 0
    assert f"{sheet}: 12 images" in capsys.readouterr().out
    pixels = np.asarray(Image.open(io.BytesIO(sheet.read_bytes())), np.int16)
    # 12 images: five columns, three rows; cells of 132 by 156 pixels. Photos are noise around
    # gray, 40 x 30 pixels in the middle of 128 x 128; the last three cells are empty.
    assert pixels.shape == (3 * 156, 5 * 132, 3)
    filled = [
        pixels[row * 156 + 50 : row * 156 + 76, column * 132 + 45 : column * 132 + 80].std() > 20
        for row in range(3)
        for column in range(5)
    ]
    assert filled == [True] * 12 + [False] * 3


@pytest.mark.parametrize(
    ("flags", "drawn"),
    [
        ([], None),
        (["--sample=2"], "contact_sheet.png: 2 images"),
        (["--sheet=own.png"], "own.png: 30 images"),
        (["--sheet=own.png", "--sample=0"], None),
    ],
)
def test_either_flag_asks_for_a_sheet(output, tmp_path, capsys, monkeypatch, flags, drawn):
    monkeypatch.chdir(tmp_path)
    assert check.main([str(output), *flags]) == 0
    sheets = [line for line in capsys.readouterr().out.splitlines() if ".png" in line]
    assert sheets == ([drawn] if drawn else [])
    assert len(list(tmp_path.glob("*.png"))) == len(sheets)


def test_a_sample_of_more_than_all_draws_all(output, tmp_path, capsys):
    flags = ["--sample", "500", "--sheet", str(tmp_path / "sheet.png")]
    assert check.main([str(output), *flags]) == 0
    assert "sheet.png: 30 images" in capsys.readouterr().out
