"""Damaged tars: refused, skipped, and added once they have been fetched again."""

import shutil

import pytest
from building import build_train, left_out, shards
from tiny_gldv2 import files_below, image_id, jpeg, member, write_md5, write_tar, write_train

from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files


@pytest.fixture
def source(tmp_path):
    root = tmp_path / "gldv2"
    write_train(root)
    return root


def _damage(source, number):
    tar = source / "train" / f"images_{number:03d}.tar"
    whole = tar.read_bytes()
    tar.write_bytes(whole[:700] + b"\0" + whole[701:])
    return tar, whole


def test_a_tar_of_another_md5_is_fatal_and_named(tmp_path, source):
    _damage(source, 1)
    with pytest.raises(UserError, match=r"1 of 3 tars are bad: images_001\.tar \(MD5 is"):
        build_train(source, tmp_path / "out")
    assert not shards(tmp_path / "out")


def test_md5_is_not_compared_when_switched_off(tmp_path, source):
    _damage(source, 1)
    assert build_train(source, tmp_path / "out", check_md5=False).num_examples >= 23


def test_a_cut_tar_without_md5_file_is_found_too(tmp_path, source):
    shutil.rmtree(source / "md5sum")
    tar = source / "train" / "images_002.tar"
    tar.write_bytes(tar.read_bytes()[:5000])
    with pytest.raises(UserError, match=r"images_002\.tar \(cut"):
        build_train(source, tmp_path / "out")


def test_bad_tars_may_be_skipped_and_are_reported(tmp_path, source):
    _damage(source, 1)
    info = build_train(source, tmp_path / "out", bad_tars="skip")
    assert info.num_examples == 16
    assert info.source_counts["missing"] == 8
    assert list(info.source["bad_tars"]) == ["images_001.tar"]
    assert [row for row in left_out(tmp_path / "out") if row[0] == "images_001.tar"]


def test_only_bad_tars_is_an_error(tmp_path, source):
    for number in range(3):
        _damage(source, number)
    with pytest.raises(UserError, match="every tar is bad"):
        build_train(source, tmp_path / "out", bad_tars="skip")


def test_only_missing_adds_the_refetched_tar_without_the_others(tmp_path, source):
    build_train(source, tmp_path / "whole")
    tar, whole = _damage(source, 1)
    build_train(source, tmp_path / "out", bad_tars="skip")
    tar.write_bytes(whole)
    for number in (0, 2):
        (source / "train" / f"images_{number:03d}.tar").unlink()
    info = build_train(source, tmp_path / "out", bad_tars="skip", only_missing=True)
    assert info.num_examples == 24 and not info.source["bad_tars"]
    # Shards, receipts, counts and lists are those of a build from sound tars, byte for byte;
    # what is stored about tars includes when they last changed.
    one, other = (
        {n: d for n, d in files_below(tmp_path / folder).items() if "source_index" not in n}
        for folder in ("whole", "out")
    )
    assert one == other


def test_only_missing_keeps_what_was_reencoded_and_rejected(tmp_path, source):
    png, broken = jpeg(3, format="PNG"), b"<html>"
    members = [(member(image_id(n)), {0: png, 3: broken}.get(n, jpeg(n))) for n in range(0, 24, 3)]
    write_tar(source / "train" / "images_000.tar", members)
    write_md5(source, "train", 0)
    expected = build_train(source, tmp_path / "whole")
    tar, whole = _damage(source, 1)
    build_train(source, tmp_path / "out", bad_tars="skip")
    tar.write_bytes(whole)
    (source / "train" / "images_000.tar").unlink()
    info = build_train(source, tmp_path / "out", only_missing=True)
    assert (
        info.counts
        == expected.counts
        == {
            "planned": 24,
            "kept": 22,
            "reencoded": 1,
            "rejected": 1,
        }
    )
    assert shards(tmp_path / "out") == shards(tmp_path / "whole")


def test_only_missing_needs_a_finished_build(tmp_path, source):
    with pytest.raises(UserError, match="--only_missing adds to a finished build, found none"):
        build_train(source, tmp_path / "out", only_missing=True)


def test_a_killed_only_missing_run_resumes(tmp_path, source, monkeypatch):
    from tfrecords_tools import writer

    build_train(source, tmp_path / "whole")
    tar, whole = _damage(source, 1)
    build_train(source, tmp_path / "out", bad_tars="skip")
    tar.write_bytes(whole)
    (source / "train" / "images_000.tar").unlink()
    write_shard = writer.write_shard

    def die_at_the_second(spec, inspect):
        if "00001" in spec.name:
            raise KeyboardInterrupt
        return write_shard(spec, inspect)

    monkeypatch.setattr(writer, "write_shard", die_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        build_train(source, tmp_path / "out", only_missing=True)
    assert not (tmp_path / "out" / "train" / "dataset_info.json").exists()
    monkeypatch.undo()
    build_train(source, tmp_path / "out", only_missing=True)
    assert shards(tmp_path / "out") == shards(tmp_path / "whole")
    assert "previous_info.json" not in files.list_names(str(tmp_path / "out" / "train"))


def test_more_tars_without_only_missing_are_refused(tmp_path, source):
    tar = source / "train" / "images_002.tar"
    whole = tar.read_bytes()
    tar.unlink()
    settings = {"num_shards": None, "shard_size": "10KB"}
    build_train(source, tmp_path / "out", **settings)
    tar.write_bytes(whole)
    before = files_below(tmp_path / "out")
    with pytest.raises(UserError, match="add what was fetched again with --only_missing"):
        build_train(source, tmp_path / "out", **settings)
    assert shards(tmp_path / "out") == {n: d for n, d in before.items() if n.endswith("record")}
