"""Tests of ``glrtf clean``: what goes, what stays, and the files that say so."""

import csv
import json
import re

import numpy as np
import pytest
from PIL import Image
from retrieval_worlds import write

import glrtf
from glrtf.commands import clean as command
from glrtf.embeddings.rows import normalized
from tfrecords_tools import labels

LANDMARKS, EACH = 12, 15
ODD_IDS = ['a "quoted" id', "with, comma", "späce here", "None"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Clusters of 15 images, 12 wrong labels, one odd image, near-duplicates of each kind."""
    folder = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(5)
    codes = np.repeat(np.arange(LANDMARKS), EACH)
    centres = normalized(rng.normal(size=(LANDMARKS, 24)))
    rows = normalized(centres[codes] + 0.6 * rng.normal(size=(len(codes), 24)) / 24**0.5)
    ids = [f"{number:016x}" for number in rng.permutation(len(codes))]
    ids[: len(ODD_IDS)] = ODD_IDS
    wrong = np.arange(4, len(codes), EACH)  # One image of each landmark.
    said = codes.copy()
    said[wrong] = (codes[wrong] + 1 + np.arange(LANDMARKS) % 7) % LANDMARKS
    rows[20] = normalized(rng.normal(size=(1, 24)))[0]  # Shows nothing.
    rows[31] = rows[30]  # A duplicate in a landmark.
    rows[46] = rows[61]  # One photo with the labels 3 and 4; of 60 to 74 it shows.
    test = normalized(rng.normal(size=(3, 24)))
    test[1] = rows[80]
    write(folder / "train", np.array_split(rows.astype(np.float32), 3), as_ids(ids))
    write(folder / "test", [test.astype(np.float32)], as_ids(["t0", "t1", "t2"]))
    numbers = 1000 + 7 * said
    with open(folder / "train.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "url", "landmark_id"])
        writer.writerows(zip(ids, ["u"] * len(ids), numbers.tolist(), strict=True))
        writer.writerow(["f" * 16, "u", 1000])  # Rejected by the builder: no row.
    return folder, ids, numbers, 1000 + 7 * codes, set(wrong.tolist())


def as_ids(ids):
    return np.array([one.encode() for one in ids])


def arguments(folder, output, *more):
    named = {"train": folder / "train", "landmarks": folder / "train.csv", "output": output}
    given = [text for flag, value in named.items() for text in (f"--{flag}", str(value))]
    return [*given, *map(str, more)]


def lines_of(folder):
    with open(folder / "clean.csv", newline="") as file:
        return {line["id"]: line for line in csv.DictReader(file)}


@pytest.fixture(scope="module")
def cleaned(world, tmp_path_factory):
    output = tmp_path_factory.mktemp("cleaned")
    folder = world[0]
    config = glrtf.CleanConfig(
        train=[str(folder / "train")],
        landmarks=str(folder / "train.csv"),
        output=str(output),
        query=[str(folder / "test")],
    )
    return glrtf.clean(config), output


def test_wrong_labels_are_found(world, cleaned):
    _, ids, _, truth, wrong = world
    lines = lines_of(cleaned[1])
    found = {row for row, one in enumerate(ids) if lines[one]["reason"] == "mislabelled"}
    # 12 wrong labels, and the photo of landmark 4 that is labelled 3.
    assert len(found & wrong) >= 10
    assert len(found - wrong - {46}) <= 1
    for row in found & wrong:
        assert int(lines[ids[row]]["suggested_landmark_id"]) == truth[row]
        assert float(lines[ids[row]]["score"]) < 0.5
    result = cleaned[0]
    assert result.wrong_share == pytest.approx(13 / 180, abs=0.03)
    assert result.expected_precision >= 0.9
    assert result.expected_recall > 0.7


def test_other_reasons(world, cleaned):
    _, ids, _, _, _ = world
    lines = lines_of(cleaned[1])

    def reason(row):
        return lines[ids[row]]["reason"], lines[ids[row]]["near_duplicate_of"]

    assert reason(80) == ("leak", "t1")
    first, second = sorted([ids[30], ids[31]])
    assert lines[second]["reason"] == "duplicate"
    assert lines[second]["near_duplicate_of"] == first
    assert lines[second]["kept"] == "1"
    assert lines[first]["reason"] == ""
    assert reason(20)[0] in ("isolated", "non_landmark", "mislabelled")
    assert reason(46)[0] in ("mislabelled", "conflict")
    assert reason(61)[0] == ""


def test_train_clean_csv_is_read_as_train_csv_is(world, cleaned):
    _, ids, numbers, _, _ = world
    result, output = cleaned
    lines = lines_of(output)
    listed = list(labels.landmark_rows(result.train_clean))
    assert [landmark for _, landmark, _ in listed] == sorted({int(x) for x in numbers})
    found = {one: landmark for _, landmark, names in listed for one in names}
    kept = {
        one: int(number)
        for one, number in zip(ids, numbers, strict=True)
        if lines[one]["kept"] == "1"
    }
    assert found == kept
    for _, _, names in listed:
        assert names == sorted(names, key=str.encode)
    assert set(ODD_IDS) <= set(lines)
    assert list(lines) == sorted(lines, key=str.encode)


def test_sets_of_what_stays_go_with_the_table(world, tmp_path):
    folder = world[0]
    output = tmp_path / "out"
    given = arguments(folder, output, "--write_sets", "true")
    assert command.main(given) == 0
    lines = lines_of(output)
    found = glrtf.open_set(str(output / "train"))
    assert {one.decode() for one in found.ids} == {i for i, x in lines.items() if x["kept"] == "1"}
    whole = glrtf.open_set(str(folder / "train"))
    rows = dict(zip(whole.ids.tolist(), range(len(whole.ids)), strict=True))
    expected = whole.take(np.array([rows[one] for one in found.ids.tolist()]))
    np.testing.assert_array_equal(found.take(np.arange(len(found.ids))), expected)
    # Whitening needs a landmark for every row.
    config = glrtf.WhitenConfig(
        train=[str(output / "train")],
        landmarks=str(output / "train_clean.csv"),
        output=str(tmp_path / "white"),
    )
    assert glrtf.whiten(config).sets["train"]
    assert command.main([*given, "--drop", "isolated"]) == 0
    assert len(glrtf.open_set(str(output / "train")).ids) > len(found.ids)
    again = arguments(folder, output, "--train", output / "train", "--write_sets", "true")
    assert command.main([*again, "--landmarks", str(output / "train_clean.csv")]) == 2
    (tmp_path / "other" / "train").mkdir(parents=True)
    (tmp_path / "other" / "train" / "mine.txt").write_text("x")
    given = arguments(folder, tmp_path / "other", "--write_sets", "true")
    assert command.main(given) == 2
    assert (tmp_path / "other" / "train" / "mine.txt").exists()


def test_sets_of_an_interrupted_command_are_replaced(world, tmp_path, monkeypatch):
    given = arguments(world[0], tmp_path, "--write_sets", "true")

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("glrtf.embeddings.embedding_set.finish", interrupt)
        assert command.main(given) == 130
    assert not (tmp_path / "train").exists()
    assert command.main(given) == 0
    whole = (tmp_path / "train" / "embedding_set.json").read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr("glrtf.embeddings.embedding_set.finish", interrupt)
        assert command.main(given) == 130
    assert (tmp_path / "train" / "embedding_set.json").read_bytes() == whole
    assert not list(tmp_path.glob(".*"))


def test_the_description_counts_everything(cleaned):
    result, output = cleaned
    described = json.loads((output / "cleaning.json").read_text())
    counts = described["counts"]
    assert counts == result.counts
    assert counts["listed_without_row"] == 1
    assert result.notes[0].endswith("lists 1 images that --train has no row of; they are left out")
    lines = lines_of(output)
    assert counts["kept"] == sum(line["kept"] == "1" for line in lines.values())
    for reason in ("leak", "mislabelled", "duplicate"):
        assert counts[reason] == sum(line["reason"] == reason for line in lines.values())
    assert set(described["inputs"]) == {"train", "landmarks", "query"}


def test_a_repeated_run_writes_the_same_and_reuses_neighbours(world, cleaned, capfd):
    output = cleaned[1]
    names = ("train_clean.csv", "clean.csv")
    before = [(output / name).read_bytes() for name in names]
    assert command.main(arguments(world[0], output, "--query", world[0] / "test")) == 0
    assert [(output / name).read_bytes() for name in names] == before
    printed = capfd.readouterr()
    assert "overall neighbors" not in printed.err
    assert re.search(r"mislabelled +1\d  dropped", printed.out)
    assert printed.out.rstrip().endswith("train_clean.csv")


def test_only_reasons_asked_for_are_dropped(world, tmp_path):
    assert command.main(arguments(world[0], tmp_path, "--drop", "isolated")) == 0
    lines = lines_of(tmp_path)
    assert {line["kept"] for line in lines.values() if line["reason"] == "mislabelled"} == {"1"}
    assert {line["kept"] for line in lines.values() if line["reason"] == "isolated"} <= {"0"}


def test_the_page_shows_what_goes_and_stays(world, tmp_path, capsys):
    folder, ids, _, _, _ = world
    photos = tmp_path / "photos"
    plain = [one for one in ids if one not in ODD_IDS]
    for one in plain:
        path = photos / "train" / one[0] / one[1] / one[2] / f"{one}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 16), (90, 120, 30)).save(path)
    output = tmp_path / "out"
    assert command.main(arguments(folder, output, "--images", photos, "--thumbnail", "16")) == 0
    (tmp_path / "empty").mkdir()
    given = arguments(folder, output, "--images", tmp_path / "empty", "--thumbnail", "20")
    assert command.main(given) == 0
    assert "note: None of the " in capsys.readouterr().err
    assert 'src="' not in (output / "index.html").read_text()
    assert command.main(arguments(folder, output, "--images", photos, "--thumbnail", "16")) == 0
    # The odd ids are no file names: their photos are missing, which a verifier would need.
    config = glrtf.CleanConfig(
        train=[str(folder / "train")],
        landmarks=str(folder / "train.csv"),
        output=str(tmp_path / "verified"),
        images=str(photos),
    )
    with pytest.raises(glrtf.UserError, match=r"--images .*: expected the photos of all"):
        glrtf.clean(config, verifier=no_agreement)
    html = (output / "index.html").read_text()
    assert "What stays" in html
    assert "Mislabelled" in html
    shown = re.findall(r'src="(thumbnails-16/[^"]+)"', html)
    assert len(shown) > 20
    assert all((output / path).is_file() for path in shown)


def test_images_nearer_to_non_landmarks_are_reported(world, tmp_path):
    folder, ids, _, _, _ = world
    rows = np.load(folder / "train" / "embeddings-00000-of-00003.npy")
    write(tmp_path / "none", [rows[20:21]], as_ids(["n0"]))
    output = tmp_path / "out"
    assert command.main(arguments(folder, output, "--non_landmark", tmp_path / "none")) == 0
    lines = lines_of(output)
    assert [one for one in ids if lines[one]["reason"] == "non_landmark"] == [ids[20]]


def no_agreement(image_id, others):
    """A verifier that confirms nothing."""
    return [0] * len(others)


def test_a_verifier_that_confirms_nothing_isolates_all(world, tmp_path):
    folder = world[0]
    config = glrtf.CleanConfig(
        train=[str(folder / "train")], landmarks=str(folder / "train.csv"), output=str(tmp_path)
    )
    result = glrtf.clean(config, verifier=no_agreement)
    assert result.counts["kept"] == 0
    assert "no image is left" in result.notes[-1]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--precision", "1.5"], "precision: expected 0.5 to below 1, found 1.5"),
        (["--drop", "everything"], "--drop"),
        (["--verifier", "no_colon"], "verifier: expected package.module:function"),
        (["--images", "nowhere"], "--images nowhere: expected a folder"),
        (["--landmarks", "nowhere.csv"], "--landmarks nowhere.csv: expected a file"),
        (["--query", "nowhere"], "nowhere"),
    ],
)
def test_mistakes_are_named_in_one_line(world, tmp_path, capsys, more, message):
    assert command.main(arguments(world[0], tmp_path / "out", *more)) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_the_table_that_is_read_is_not_replaced(world, tmp_path, capsys):
    table = tmp_path / "train_clean.csv"
    before = (world[0] / "train.csv").read_bytes()
    table.write_bytes(before)
    assert command.main(arguments(world[0], tmp_path, "--landmarks", table)) == 2
    assert "found that of --landmarks; name another" in capsys.readouterr().err
    assert table.read_bytes() == before


def test_one_landmark_alone_cannot_be_cleaned(world, tmp_path, capsys):
    table = tmp_path / "one.csv"
    ids = ['"' + one.replace('"', '""') + '"' for one in world[1]]
    table.write_text("id,landmark_id\n" + "".join(f"{one},3\n" for one in ids))
    assert command.main(arguments(world[0], tmp_path / "o", "--landmarks", table)) == 2
    assert "expected images of at least two landmarks" in capsys.readouterr().err


def test_a_settings_file_may_not_name_a_verifier(world, tmp_path, capsys):
    (tmp_path / "c.yaml").write_text("verifier: some.module:function\n")
    assert command.main(arguments(world[0], tmp_path / "o", "--config", tmp_path / "c.yaml")) == 2
    assert "expected no function in a settings file" in capsys.readouterr().err
