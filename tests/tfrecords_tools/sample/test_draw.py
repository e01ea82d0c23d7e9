import csv
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from tfrecords_tools.errors import UserError
from tfrecords_tools.sample import draw
from tfrecords_tools.sample.draw import SampleConfig, write_sample
from tfrecords_tools.sample.plan import SPLITS, SamplePlan


def _config(folder: Path, **settings: int) -> SampleConfig:
    defaults = {"num_landmarks": 3, "photos_per_landmark": 9, "processes": 1}
    return SampleConfig(output=str(folder), **(defaults | settings))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "gldv2"
    assert write_sample(_config(folder))
    return folder


def _table(folder: Path, name: str) -> list[dict[str, str]]:
    with open(folder / "metadata" / name, newline="") as file:
        return list(csv.DictReader(file))


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _members(folder: Path, split: str) -> dict[str, bytes]:
    members = {}
    for path in sorted((folder / split).glob("images_*.tar")):
        with tarfile.open(path) as tar:
            for entry in tar:
                file = tar.extractfile(entry)
                assert file is not None
                members[entry.name] = file.read()
    return members


def test_tars_hold_the_photos_of_the_tables_under_their_published_names(drawn: Path) -> None:
    for split in ("train", "index", "test"):
        members = _members(drawn, split)
        ids = {row["id"] for row in _table(drawn, f"{split}.csv")}
        assert set(members) == {f"{i[0]}/{i[1]}/{i[2]}/{i}.jpg" for i in ids}
        for data in members.values():
            photo = Image.open(io.BytesIO(data))
            assert photo.format == "JPEG" and min(photo.size) >= 128


def test_md5_files_tell_the_tars_digests(drawn: Path) -> None:
    for tar in drawn.glob("*/images_*.tar"):
        note = drawn / "md5sum" / tar.parent.name / f"md5.{tar.stem}.txt"
        assert note.read_text() == f"{hashlib.md5(tar.read_bytes()).hexdigest()}  {tar.name}\n"


def test_the_solution_names_every_index_photo_of_the_querys_landmark(drawn: Path) -> None:
    """Worked out again from the other tables, through the categories of either id space."""
    recognition = {
        row["id"]: row["landmarks"] for row in _table(drawn, "recognition_solution_v2.1.csv")
    }
    of_index = {
        row["id"]: row["landmark_id"] for row in _table(drawn, "index_image_to_landmark.csv")
    }
    pairs = set()
    for row in _table(drawn, "retrieval_solution_v2.1.csv"):
        if row["Usage"] == "Ignored":
            assert row["images"] == "None" and recognition[row["id"]] == ""
            continue
        assert row["Usage"] in ("Public", "Private")
        spaces = {of_index[image] for image in row["images"].split()}
        assert len(spaces) == 1
        (index_id,) = spaces
        assert sorted(row["images"].split()) == sorted(
            i for i in of_index if of_index[i] == index_id
        )
        pairs.add((recognition[row["id"]], index_id))
    # One index id to one train id, and no id stands for the same landmark in both.
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}) == 3
    assert all(a != b for a, b in pairs)


def test_train_clean_is_a_part_of_train_with_the_same_landmarks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which the tables tell; no photo is drawn."""

    def nothing(plan: SamplePlan, processes: int) -> dict[str, bytes]:
        return {p.image_id: b"" for split in SPLITS for p in plan.of_split(split)}

    monkeypatch.setattr(draw, "_draw_all", nothing)
    folder = tmp_path / "gldv2"
    write_sample(_config(folder, num_landmarks=10))
    train = {row["id"]: row["landmark_id"] for row in _table(folder, "train.csv")}
    clean = _table(folder, "train_clean.csv")
    for row in clean:
        assert {train[image] for image in row["images"].split()} == {row["landmark_id"]}
    categories = {row["landmark_id"] for row in _table(folder, "train_label_to_category.csv")}
    assert categories == set(train.values())
    # The tenth landmark is rare.
    assert len(categories) == 10 and len(clean) == 9


def test_equal_seeds_give_equal_bytes_in_one_process_or_in_two(drawn: Path, tmp_path: Path) -> None:
    again, other = tmp_path / "again", tmp_path / "other"
    write_sample(_config(again, processes=2))
    assert _bytes(again) == _bytes(drawn)
    write_sample(_config(other, seed=1))
    assert set(_bytes(other)) == set(_bytes(drawn))
    assert _bytes(other)["test/images_000.tar"] != _bytes(drawn)["test/images_000.tar"]


def test_a_second_run_does_nothing(drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw, "_draw_all", None)
    assert not write_sample(_config(drawn))


def test_an_interrupted_run_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(draw, "write_metadata", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_sample(_config(tmp_path / "gldv2"))
    assert not list(tmp_path.iterdir())


def test_another_sample_or_other_files_are_left_alone(drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="another seed"):
        write_sample(_config(drawn, seed=7))
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="expected a new folder"):
        write_sample(_config(tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--output", str(tmp_path / "s"), "--num_landmarks", "2", "--processes", "1"]
    arguments += ["--photos_per_landmark", "9"]
    assert draw.main(arguments) == 0
    assert capsys.readouterr().out.endswith("drawn\n")
    assert draw.main(arguments) == 0
    assert capsys.readouterr().out.endswith("nothing to do\n")
    assert json.loads((tmp_path / "s/sample.json").read_text())["seed"] == 0
    assert draw.main([*arguments, "--num_landmarks", "1"]) == 2
    assert "num_landmarks: expected at least 2" in capsys.readouterr().err


def test_shards_are_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw, "SampleConfig", _small)
    shards = Path(draw.ensure_sample_shards(str(tmp_path), seed=2))
    kinds = {p.name for p in shards.iterdir()}
    assert {"train", "index", "test"} <= kinds
    before = {p: p.stat().st_mtime_ns for p in shards.rglob("*")}
    assert draw.ensure_sample_shards(str(tmp_path), seed=2) == str(shards)
    assert {p: p.stat().st_mtime_ns for p in shards.rglob("*")} == before


def _small(output: str, seed: int) -> SampleConfig:
    return _config(Path(output), seed=seed)
