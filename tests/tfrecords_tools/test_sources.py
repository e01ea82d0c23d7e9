"""What the builder does with sources that are not as they should be."""

import csv
import tarfile

import pytest
from building import build_train, left_out, shards
from fault_fates import FATES
from tiny_gldv2 import (
    files_below,
    image_id,
    jpeg,
    member,
    write_csv,
    write_md5,
    write_tar,
    write_train,
)

from tfrecords_tools import build, schema, tfrecord
from tfrecords_tools.build import BuildConfig
from tfrecords_tools.errors import UserError


@pytest.fixture
def source(tmp_path):
    root = tmp_path / "gldv2"
    write_train(root)
    return root


def _extract(source):
    """Turns a source of tars into one of extracted files."""
    for path in sorted((source / "train").glob("*.tar")):
        with tarfile.open(path) as tar:
            tar.extractall(source / "train", filter="data")
        path.unlink()


def test_missing_foreign_and_duplicate_images_are_counted_and_listed(tmp_path, source):
    known = [image_id(number) for number in range(24)]
    stranger = "abcabcabcabcabca"
    write_tar(
        source / "train" / "images_003.tar",
        [
            (member(known[0]), jpeg(99)),  # tar 0 has it too
            (member(stranger), jpeg(1)),
            ("README.txt", b"hello"),
        ],
    )
    rows = (source / "metadata" / "train.csv").read_text()
    lost = "f" * 16
    (source / "metadata" / "train.csv").write_text(f"{rows}{lost},u,100\n{known[1]},u,100\n")
    info = build_train(source, tmp_path / "out")
    assert info.num_examples == 24
    assert info.source_counts == {
        "members": 27,
        "usable": 24,
        "duplicate": 1,
        "foreign": 1,
        "not_in_labels": 1,
        "labelled": 25,
        "missing": 1,
        "duplicate_row": 1,
    }
    assert left_out(tmp_path / "out") == sorted(
        [
            (known[0], "duplicate", ""),
            (known[1], "duplicate_row", ""),
            (stranger, "not_in_labels", ""),
            (lost, "missing", ""),
            ("README.txt", "not a/b/c/<id>.jpg", "images_003.tar"),
        ]
    )


def test_of_duplicates_the_first_tar_holds(tmp_path, source):
    first = image_id(0)
    write_tar(source / "train" / "images_003.tar", [(member(first), jpeg(99))])
    info = build_train(source, tmp_path / "out")
    for path in info.shard_paths:
        with open(path, "rb") as file:
            for record in map(schema.decode_example, tfrecord.read_records(file)):
                if record["image_id"].decode() == first:
                    assert record["encoded"] == jpeg(0)


def test_rejects_are_listed_with_their_reason(tmp_path, source):
    bad = {image_id(0): (b"", "empty"), image_id(3): (b"<html>404</html>", "not an image")}
    members = [(member(image_id(n)), bad.get(image_id(n), (jpeg(n),))[0]) for n in range(0, 24, 3)]
    write_tar(source / "train" / "images_000.tar", members)
    write_md5(source, "train", 0)
    info = build_train(source, tmp_path / "out")
    assert info.counts == {"planned": 24, "kept": 22, "reencoded": 0, "rejected": 2}
    assert info.class_counts.sum() == info.num_examples == 22
    with (tmp_path / "out" / "train" / "rejects.csv").open() as file:
        found = {row["image_id"]: row["reason"] for row in csv.DictReader(file)}
    assert found == {name: reason for name, (_, reason) in bad.items()}


def test_all_faults_together_have_their_fates_in_one_build(tmp_path, faults):
    names = {image_id(number): name for number, name in enumerate(FATES)}
    photos = [(member(key), (faults / f"{name}.jpg").read_bytes()) for key, name in names.items()]
    write_tar(tmp_path / "gldv2" / "train" / "images_000.tar", photos)
    rows = [[key, "u", 1] for key in names]
    write_csv(tmp_path / "gldv2" / "metadata" / "train.csv", ["id", "url", "landmark_id"], rows)
    info = build_train(tmp_path / "gldv2", tmp_path / "out")
    with (tmp_path / "out" / "train" / "rejects.csv").open() as file:
        rejects = {names[row["image_id"]]: row["reason"] for row in csv.DictReader(file)}
    assert rejects == {name: why for name, (fate, why) in FATES.items() if fate == "rejected"}
    fates = [fate for fate, _ in FATES.values()]
    assert info.counts == {
        "planned": 33,
        "kept": fates.count("kept"),
        "reencoded": fates.count("reencoded"),
        "rejected": fates.count("rejected"),
    }


def test_clean_labels_leave_the_other_images_out(tmp_path, source):
    rows = [[7, " ".join(image_id(n) for n in (0, 1))], [3, image_id(2)]]
    write_csv(source / "metadata" / "train_clean.csv", ["landmark_id", "images"], rows)
    info = build_train(source, tmp_path / "out", labels="clean")
    assert info.num_examples == 3
    assert info.label_map.tolist() == [3, 7]
    assert info.class_counts.tolist() == [1, 2]
    assert info.source_counts["not_in_labels"] == 21


def test_labels_of_another_data_set_are_refused(tmp_path, source):
    write_csv(tmp_path / "mine.csv", ["id", "landmark_id"], [["a" * 16, 1]])
    with pytest.raises(UserError, match="none of its 1 images is among the 24"):
        build_train(source, tmp_path / "out", labels=str(tmp_path / "mine.csv"))


def test_extracted_files_make_the_same_records(tmp_path, source):
    build_train(source, tmp_path / "from_tars")
    _extract(source)
    info = build_train(source, tmp_path / "from_files")
    assert info.num_examples == 24
    # Only the receipts and descriptions tell the sources apart.
    assert shards(tmp_path / "from_files") == shards(tmp_path / "from_tars")


def test_links_among_extracted_files_are_not_followed(tmp_path, source):
    _extract(source)
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(jpeg(5))
    link = source / "train" / member(image_id(0))
    link.unlink()
    link.symlink_to(secret)
    info = build_train(source, tmp_path / "out")
    assert info.num_examples == 23
    assert (member(image_id(0)), "link", "") in left_out(tmp_path / "out")


def test_hostile_members_touch_nothing_outside(tmp_path, source):
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    with tarfile.open(source / "train" / "images_003.tar", "w") as tar:
        for name, kind, target in [
            ("../victim", tarfile.REGTYPE, ""),
            (str(victim), tarfile.REGTYPE, ""),
            (member("a" * 16), tarfile.SYMTYPE, str(victim)),
            (member("b" * 16), tarfile.LNKTYPE, str(victim)),
            (member("c" * 16), tarfile.CHRTYPE, ""),
        ]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            tar.addfile(info)
    before = {path for path in tmp_path.rglob("*") if tmp_path / "out" not in path.parents}
    info = build_train(source, tmp_path / "out")
    after = {path for path in tmp_path.rglob("*") if tmp_path / "out" not in path.parents}
    assert info.source_counts["foreign"] == 5
    assert victim.read_text() == "untouched"
    assert after - before == {tmp_path / "out"}


@pytest.mark.parametrize("num_tasks", [2, 5])
def test_tasks_together_write_what_one_writes(tmp_path, source, num_tasks, capsys):
    build_train(source, tmp_path / "one")
    settings = {"num_shards": 3, "workers": 1, "splits": ["train"], "num_tasks": num_tasks}
    for task in reversed(range(num_tasks)):
        config = BuildConfig(str(source), str(tmp_path / "many"), **settings, task_index=task)
        build.build(config)
        finished = (tmp_path / "many" / "train" / "dataset_info.json").exists()
        assert finished == (task == 0)
    assert "shards of other tasks are still to come" in capsys.readouterr().err
    assert files_below(tmp_path / "many") == files_below(tmp_path / "one")


def test_a_task_beyond_their_number_is_refused(tmp_path, source):
    with pytest.raises(ValueError, match="--task_index: expected 0 to 1, found 2"):
        BuildConfig(str(source), str(tmp_path), task_index=2, num_tasks=2)


def test_a_source_that_shrinks_while_building_is_reported(tmp_path, source, monkeypatch):
    from tfrecords_tools import runners

    run_shards = runners.run_shards

    def shrink_first(fold, config):
        (source / "train" / "images_002.tar").write_bytes(b"")
        run_shards(fold, config)

    monkeypatch.setattr(runners, "run_shards", shrink_first)
    with pytest.raises(UserError, match=r"images_002\.tar: expected .* bytes at .*, found 0"):
        build_train(source, tmp_path / "out")
