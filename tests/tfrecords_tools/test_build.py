import json
import subprocess
import sys

import numpy as np
import pytest
from tiny_gldv2 import files_below, write_csv, write_train, write_unlabelled

from tfrecords_tools import build, schema, tfrecord
from tfrecords_tools.build import BuildConfig
from tfrecords_tools.dataset_info import DatasetInfo
from tfrecords_tools.errors import UserError


@pytest.fixture
def source(tmp_path):
    root = tmp_path / "gldv2"
    write_train(root)
    write_unlabelled(root, "index")
    write_unlabelled(root, "test")
    return root


def _build(source, output, **settings):
    build.build(BuildConfig(str(source), str(output), **{"num_shards": 3, "workers": 1} | settings))


def _records(folder):
    info = DatasetInfo.load(str(folder))
    for path in info.shard_paths:
        with open(path, "rb") as file:
            yield from map(schema.decode_example, tfrecord.read_records(file))


def test_every_image_arrives_byte_for_byte_with_its_label(tmp_path, source):
    import tarfile

    _build(source, tmp_path / "out")
    originals = {}
    for path in sorted((source / "train").glob("*.tar")):
        with tarfile.open(path) as tar:
            originals |= {m.name[6:22].encode(): tar.extractfile(m).read() for m in tar}
    records = {record["image_id"]: record for record in _records(tmp_path / "out" / "train")}
    assert {name: record["encoded"] for name, record in records.items()} == originals
    rows = (source / "metadata" / "train.csv").read_text().splitlines()[1:]
    landmarks = {row[:16].encode(): int(row.split(",")[2]) for row in rows}
    # Landmarks 0, 100 .. 400 are relabelled 0 .. 4.
    for name, record in records.items():
        assert record["landmark_id"] == landmarks[name]
        assert record["label"] == landmarks[name] // 100


def test_index_and_test_have_no_labels(tmp_path, source):
    _build(source, tmp_path / "out")
    for split in ("index", "test"):
        records = list(_records(tmp_path / "out" / split))
        assert len(records) == 6
        assert {(record["label"], record["landmark_id"]) for record in records} == {(-1, -1)}
        assert DatasetInfo.load(str(tmp_path / "out" / split)).label_map.shape == (0,)


def test_tensorflow_reads_the_shards(tmp_path, source):
    import tensorflow as tf

    _build(source, tmp_path / "out")
    info = DatasetInfo.load(str(tmp_path / "out" / "train"))
    dataset = tf.data.TFRecordDataset(list(info.shard_paths)).map(schema.parse_example)
    ids = [record["image_id"].numpy() for record in dataset]
    assert len(ids) == len(set(ids)) == info.num_examples == 24
    image = tf.io.decode_jpeg(next(iter(dataset))["encoded"], channels=3)
    assert image.shape == (30, 40, 3)


def test_info_has_the_counts_and_the_label_map(tmp_path, source):
    _build(source, tmp_path / "out")
    info = DatasetInfo.load(str(tmp_path / "out" / "train"))
    assert info.num_classes == 5
    assert info.label_map.tolist() == [0, 100, 200, 300, 400]
    assert info.class_counts.tolist() == [5, 5, 5, 5, 4]  # 24 images, landmark i % 5
    assert info.counts == {"planned": 24, "kept": 24, "reencoded": 0, "rejected": 0}
    assert [shard.name for shard in info.shards] == [
        f"train-{number:05d}-of-00003.tfrecord" for number in range(3)
    ]
    assert sum(shard.num_examples for shard in info.shards) == 24


def test_the_number_of_workers_changes_nothing(tmp_path, source):
    _build(source, tmp_path / "one", workers=1, splits=["train"])
    _build(source, tmp_path / "two", workers=2, splits=["train"])
    assert files_below(tmp_path / "one") == files_below(tmp_path / "two")


def test_a_second_run_rewrites_nothing(tmp_path, source):
    _build(source, tmp_path / "out")
    paths = sorted((tmp_path / "out").rglob("*.tfrecord"))
    before = [path.stat().st_mtime_ns for path in paths]
    _build(source, tmp_path / "out")
    assert [path.stat().st_mtime_ns for path in paths] == before


def test_a_damaged_or_missing_shard_is_written_again(tmp_path, source):
    _build(source, tmp_path / "out")
    before = files_below(tmp_path / "out")
    shards = sorted((tmp_path / "out" / "train").glob("*.tfrecord"))
    shards[0].write_bytes(shards[0].read_bytes()[:-1] + b"\0")
    shards[1].unlink()
    _build(source, tmp_path / "out")
    assert files_below(tmp_path / "out") == before


def test_shard_size_decides_the_number_of_shards(tmp_path, source):
    _build(source, tmp_path / "out", num_shards=None, shard_size="2KB", splits=["test"])
    info = DatasetInfo.load(str(tmp_path / "out" / "test"))
    total = sum(len(record["encoded"]) for record in _records(tmp_path / "out" / "test"))
    assert len(info.shards) == -(-total // 2000)


def test_the_validation_fold_shares_the_label_map(tmp_path, source):
    _build(source, tmp_path / "out", validation_fraction=0.4, splits=["train"])
    train, fold = (DatasetInfo.load(str(tmp_path / "out" / s)) for s in ("train", "validation"))
    assert train.num_examples + fold.num_examples == 24
    assert fold.num_examples > 0
    assert train.label_map.tolist() == fold.label_map.tolist()
    assert (train.class_counts + fold.class_counts).tolist() == [5, 5, 5, 5, 4]
    ids = [r["image_id"] for s in ("train", "validation") for r in _records(tmp_path / "out" / s)]
    assert len(set(ids)) == 24
    assert fold.shards[0].name == "validation-00000-of-00003.tfrecord"


def test_other_settings_are_refused_and_change_nothing(tmp_path, source, capsys):
    _build(source, tmp_path / "out")
    before = files_below(tmp_path / "out")
    flags = ["--source", str(source), "--output", str(tmp_path / "out"), "--num-shards", "4"]
    assert build.main(flags) == 2
    message = capsys.readouterr().err
    assert "num_shards 3, now it is 4" in message
    assert message.count("\n") >= 1 and "Traceback" not in message
    assert files_below(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--source", "nowhere"], "nowhere/train: no such folder"),
        (["--splits", "train", "tset"], "expected train, index or test, found 'tset'"),
        (["--shard-size", "big"], "expected a size such as 200MB, found 'big'"),
        (["--num-shards", "0"], "--num_shards: expected 1 to 100000, found 0"),
        (["--validation-fraction", "1"], "--validation_fraction: expected 0 to 0.999"),
        (["--labels", "nowhere.csv"], "nowhere.csv: no such file"),
        (["--shardsize", "1MB"], "unknown option --shardsize; did you mean --shard_size?"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(tmp_path, source, capsys, flags, message):
    whole = ["--source", str(source), "--output", str(tmp_path / "out"), *flags]
    assert build.main(whole) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and message in lines[0]
    assert not (tmp_path / "out").exists()


def test_a_foreign_output_folder_is_refused(tmp_path, source, capsys):
    (tmp_path / "out" / "train").mkdir(parents=True)
    (tmp_path / "out" / "train" / "thesis.doc").write_text("mine")
    assert build.main(["--source", str(source), "--output", str(tmp_path / "out")]) == 2
    assert "found thesis.doc" in capsys.readouterr().err


def test_an_empty_source_is_refused(tmp_path, capsys):
    (tmp_path / "empty" / "train").mkdir(parents=True)
    flags = ["--source", str(tmp_path / "empty"), "--output", str(tmp_path / "out")]
    assert build.main(flags) == 2
    assert "expected images_NNN.tar files or extracted folders 0..f, found nothing" in (
        capsys.readouterr().err
    )


def test_a_builder_imports_neither_keras_nor_tensorflow(tmp_path, source):
    program = (
        "import sys; from tfrecords_tools import build; "
        f"assert build.main(['--source', {str(source)!r}, '--output', {str(tmp_path / 'out')!r}]) "
        "== 0; print([name for name in ('keras', 'tensorflow') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_real_photos_are_all_kept(tmp_path, minigld):
    _build(minigld, tmp_path / "out", num_shards=2)
    counts = {s: DatasetInfo.load(str(tmp_path / "out" / s)) for s in ("train", "index", "test")}
    assert {s: info.num_examples for s, info in counts.items()} == {
        "train": 703,
        "index": 377,
        "test": 242,
    }
    assert counts["train"].num_classes == 27
    assert np.all(np.diff(counts["train"].label_map) > 0)
    assert json.loads((tmp_path / "out" / "train" / "dataset_info.json").read_text())["source"][
        "tars"
    ]


def test_a_label_map_that_changed_since_is_refused(tmp_path, source):
    _build(source, tmp_path / "out")
    path = tmp_path / "out" / "train" / "labels.csv"
    # Landmark 100 becomes 101: nothing else could tell.
    path.write_text(path.read_text().replace("1,100,", "1,101,"))
    with pytest.raises(UserError, match=r"labels\.csv: changed since the shards were finished"):
        _ = DatasetInfo.load(str(tmp_path / "out" / "train")).label_map


def test_an_empty_validation_fold_is_not_built(tmp_path, capsys):
    """Every landmark has one image, which stays in train."""
    ids = write_train(tmp_path / "gldv2", 6, num_tars=1)
    rows = [[name, "u", number] for number, name in enumerate(ids)]
    write_csv(tmp_path / "gldv2" / "metadata" / "train.csv", ["id", "url", "landmark_id"], rows)
    for _ in range(2):
        _build(tmp_path / "gldv2", tmp_path / "out", validation_fraction=0.4, splits=["train"])
        assert DatasetInfo.load(str(tmp_path / "out" / "train")).num_examples == 6
        assert not (tmp_path / "out" / "validation").exists()
        note = f"note: {tmp_path / 'out' / 'validation'}: no validation fold is built"
        assert note in capsys.readouterr().err


def test_a_validation_fold_may_come_with_a_tar_that_was_missing(tmp_path):
    """Of a landmark's two images one goes to validation; its tar is bad at first."""
    source = tmp_path / "gldv2"
    ids = write_train(source, 2, num_tars=2)
    rows = [[name, "u", 7] for name in ids]
    write_csv(source / "metadata" / "train.csv", ["id", "url", "landmark_id"], rows)
    settings = {"validation_fraction": 0.5, "splits": ["train"], "num_shards": 1}
    _build(source, tmp_path / "whole", **settings)
    [kept] = [r["image_id"] for r in _records(tmp_path / "whole" / "validation")]
    tar = source / "train" / f"images_{ids.index(kept.decode()):03d}.tar"
    whole = tar.read_bytes()
    tar.write_bytes(whole[:700])
    _build(source, tmp_path / "out", bad_tars="skip", **settings)
    assert not (tmp_path / "out" / "validation").exists()
    tar.write_bytes(whole)
    _build(source, tmp_path / "out", only_missing=True, **settings)
    assert [r["image_id"] for r in _records(tmp_path / "out" / "validation")] == [kept]


def test_a_split_that_the_source_lacks_can_be_left_out(tmp_path):
    """As a folder of one's own photos has no test/."""
    source = tmp_path / "only_train"
    write_train(source)
    with pytest.raises(UserError, match=r"test: no such folder; .* --splits train$"):
        build.build(BuildConfig(str(source), str(tmp_path / "out"), splits=("train", "test")))
