import json

import numpy as np
import pytest
from photo_world import image_id
from shard_writing import photo

from glrtf.commands import evaluate_index, search
from glrtf.config.service import EvaluateIndexConfig, SearcherConfig
from glrtf.embeddings.embedding_set import EmbeddingSet, finish, write_part
from glrtf.evaluation.metrics import average_precision
from glrtf.service import calibrating, calibration, curve_data, index_quality
from glrtf.service.calibration import Calibration, Curve
from glrtf.service.landmark_evidence import LeftOut
from glrtf.service.row_searcher import RowSearcher
from glrtf.service.searched import open_searched

LANDMARKS, PHOTOS, DIMENSION = 6, 8, 16
NOBODY = 900


def id_of(number):
    return f"{number:016x}"


@pytest.fixture(scope="module")
def rows_world(tmp_path_factory):
    """Index and train photos of six landmarks, and of each as many rows near one direction.

    Photo n shows landmark n % 6; the last index photo shows 900, and no other does.
    """
    folder = tmp_path_factory.mktemp("rows")
    generator = np.random.default_rng(3)
    centres = generator.normal(size=(LANDMARKS, DIMENSION))
    count = LANDMARKS * PHOTOS
    rows = centres[np.arange(count) % LANDMARKS] + 0.8 * generator.normal(size=(count, DIMENSION))
    rows = np.concatenate([rows, generator.normal(size=(1, DIMENSION))])
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    ids = [id_of(n) for n in range(count + 1)]
    for name, stop in (("index", count + 1), ("train", count)):
        half = stop // 2
        write_part(str(folder / name), 0, 2, rows[:half], ids[:half])
        write_part(str(folder / name), 1, 2, rows[half:stop], ids[half:stop])
        finish(str(folder / name), 2, model_digest="0")
    lines = [f"{id_of(n)},{n % LANDMARKS}" for n in range(count)]
    (folder / "train.csv").write_text("\n".join(["id,landmark_id", *lines]) + "\n")
    lines.append(f"{id_of(count)},{NOBODY}")
    (folder / "index.csv").write_text("\n".join(["id,landmark_id", *lines]) + "\n")
    return folder, rows


def config_of(folder, cache, cls=SearcherConfig, **settings):
    given = {
        "model": "unused",
        "index": str(folder / "index"),
        "train": str(folder / "train"),
        "landmarks": str(folder / "train.csv"),
        "labels": str(folder / "index.csv"),
        "cache": str(cache),
    }
    return cls(**{**given, **settings})


def searcher_of(config):
    return RowSearcher(open_searched(config), config)


@pytest.mark.parametrize("part", [0, 7, 23, 47])
def test_left_out_is_as_if_it_were_not_in_the_index(rows_world, tmp_path, part):
    """Searched against sets that really lack the photo; without bridges, which count it."""
    folder, rows = rows_world
    config = config_of(folder, tmp_path / "a", train="", landmarks="")
    out = LeftOut(np.array([id_of(part)], "S16"), np.array([-1]))
    _, found = searcher_of(config).rank(rows[part : part + 1], 100, out)
    rest = [n for n in range(len(rows)) if n != part]
    write_part(str(tmp_path / "rest"), 0, 1, rows[rest], [id_of(n) for n in rest])
    finish(str(tmp_path / "rest"), 1, model_digest="0")
    other = config_of(folder, tmp_path / "b", index=str(tmp_path / "rest"), train="", landmarks="")
    _, expected = searcher_of(other).rank(rows[part : part + 1], 100)
    shown = [rest[row] for row in expected.images[0] if row >= 0]
    assert [row for row in found.images[0] if row >= 0] == shown
    np.testing.assert_allclose(found.final[0][: len(shown)], expected.final[0][: len(shown)])


def test_landmarks_of_a_photo_left_out_are_those_of_the_other_train_photos(rows_world, tmp_path):
    """C by brute force: the two nearest others of each landmark, 0.5 more for the best."""
    folder, rows = rows_world
    searcher = searcher_of(config_of(folder, tmp_path))
    for number in (0, 13, 30):
        out = LeftOut(np.array([id_of(number)], "S16"), np.array([-1]))
        evidence, _ = searcher.rank(rows[number : number + 1], 5, out)
        sums = {}
        for landmark in range(LANDMARKS):
            others = [n for n in range(48) if n % LANDMARKS == landmark and n != number]
            nearest = sorted(rows[others].astype(float) @ rows[number].astype(float))
            sums[landmark] = sum(nearest[-2:])
        best = sorted(sums, key=sums.get, reverse=True)
        kept = evidence.confidences
        assert kept.landmarks[0][0] == best[0]
        # 15 of each part are looked up, so only the best sums are certain to be complete.
        assert kept.confidences[0][0] == pytest.approx(sums[best[0]] + 0.5, abs=1e-5)


def test_a_landmark_left_out_is_not_found(rows_world, tmp_path):
    folder, _ = rows_world
    searcher = searcher_of(config_of(folder, tmp_path))
    photos = index_quality.photos_of_set(searcher.index, searcher.index_landmarks, 0)
    found = index_quality.ask(searcher, photos, unknown=True)
    assert not (found.shown == photos.landmarks[:, None]).any()
    assert not (found.marks == photos.landmarks[:, None]).any()
    # All others are: 41 of the other five landmarks and of nobody.
    assert ((found.final > 0).sum(axis=1)[:48] >= 30).all()


@pytest.mark.parametrize("labelled", [0.3, 0.5, 0.9])
def test_photos_without_a_landmark_are_wrong_if_most_have_one(labelled):
    generator = np.random.default_rng(0)
    photos = index_quality.KnownPhotos(
        np.zeros((40, 2), np.float32), np.zeros(40, "S16"), np.full(40, 7)
    )
    # Right answers, others, photos without a landmark, and places beyond the last photo.
    shown = np.tile([7, 8, -1, -3], (40, 1))
    final = generator.uniform([0.3, 0.0, 0.2, 0.0], [0.9, 0.5, 0.8, 0.0], (40, 4)) ** 3
    none = np.empty((40, 0))
    found = index_quality.Found(final, shown, none, none)
    unknown = index_quality.Found(final[:, 1:], shown[:, 1:], none, none)
    curve = curve_data.calibrate(photos, found, unknown, "", labelled).photo
    counted = [7, 8] if labelled < 0.5 else [7, 8, -1]
    scores, right = [], []
    for one in (found, unknown):
        for score, landmark in zip(one.final.ravel(), one.shown.ravel(), strict=True):
            if landmark in counted:
                scores.append(np.cbrt(score))
                right.append(landmark == 7)
    expected = calibration.fit(np.array(scores), np.array(right))
    assert curve.slope == pytest.approx(expected.slope)
    assert curve.shift == pytest.approx(expected.shift)


def test_measures_are_those_of_the_definitions(rows_world, tmp_path):
    """Without bridges the ranking is by dot product; all measures by loops."""
    folder, rows = rows_world
    searcher = searcher_of(config_of(folder, tmp_path, train="", landmarks=""))
    photos = index_quality.photos_of_set(searcher.index, searcher.index_landmarks, 0)
    found = index_quality.measure(searcher, photos, index_quality.ask(searcher, photos))
    of_rows = [*(n % LANDMARKS for n in range(48)), NOBODY]
    precisions, firsts = {}, {}
    for query in range(48):
        scores = {n: float(rows[n] @ rows[query]) for n in range(49) if n != query}
        # D is 0 for negative similarities: those follow by id, and none may be right at all.
        ranked = sorted(scores, key=lambda n: (-max(scores[n], 0), n))
        hits = np.array([[of_rows[n] == of_rows[query] for n in ranked]])
        precisions[query] = float(average_precision(hits, np.array([7]), 100)[0])
        firsts[query] = of_rows[ranked[0]]
    assert (found.queries, found.unanswerable) == (48, 1)
    assert found.map_100 == pytest.approx(np.mean(list(precisions.values())), abs=1e-9)
    assert found.recall_1 == pytest.approx(np.mean([firsts[q] == q % LANDMARKS for q in firsts]))
    assert found.landmark_1 is None
    low, high = found.map_100_interval
    assert low < found.map_100 < high
    by_landmark = {
        one: np.mean([precisions[q] for q in precisions if q % LANDMARKS == one])
        for one in range(LANDMARKS)
    }
    worst = sorted(by_landmark, key=by_landmark.get)
    assert [each["landmark_id"] for each in found.worst] == worst
    assert all(each["queries"] == PHOTOS for each in found.worst)
    wrong = {}
    for query, first in firsts.items():
        if first != query % LANDMARKS:
            wrong[query % LANDMARKS, first] = wrong.get((query % LANDMARKS, first), 0) + 1
    assert {(e["landmark_id"], e["found_id"]): e["count"] for e in found.confusions} == wrong


def test_a_draw_is_of_labelled_photos_and_repeats_itself(rows_world, tmp_path):
    folder, rows = rows_world
    index = EmbeddingSet.open(str(folder / "index"))
    marks = np.where(np.arange(49) % 2, -1, np.arange(49))
    first, again = (index_quality.photos_of_set(index, marks, 10, seed=5) for _ in range(2))
    assert (first.ids == again.ids).all() and len(set(first.ids.tolist())) == 10
    numbers = [int(one, 16) for one in first.ids.tolist()]
    assert all(number % 2 == 0 for number in numbers)
    np.testing.assert_array_equal(first.rows, rows[numbers])
    np.testing.assert_array_equal(first.landmarks, numbers)


def test_the_calibration_is_kept_until_something_changes(rows_world, tmp_path, monkeypatch):
    folder, _ = rows_world
    config = config_of(folder, tmp_path / "cache")
    first = calibrating.calibrated(searcher_of(config), config)
    assert first.landmark and first.photo and first.source.startswith("49 index photos")
    # Confidence grows with similarity, and a confident answer scores higher than most wrong ones.
    assert first.landmark(2.5) > 0.5 > first.landmark(0.5)

    def fail(*_):
        raise AssertionError("worked out again")

    with monkeypatch.context() as patch:
        patch.setattr(index_quality, "ask", fail)
        assert calibrating.calibrated(searcher_of(config), config) == first
        (tmp_path / "labels.csv").write_text((folder / "index.csv").read_text() + "\n")
        other = config_of(folder, tmp_path / "cache", labels=str(tmp_path / "labels.csv"))
        with pytest.raises(AssertionError, match="worked out again"):
            calibrating.calibrated(searcher_of(other), other)
    (tmp_path / "cache" / "calibration.json").write_text('{"key": 3')
    assert calibrating.calibrated(searcher_of(config), config) == first


def test_train_photos_calibrate_landmarks_where_the_index_has_none(rows_world, tmp_path):
    folder, _ = rows_world
    (tmp_path / "none.csv").write_text("id,landmark_id\nffffffffffffffff,1\n")
    config = config_of(folder, tmp_path / "cache", labels=str(tmp_path / "none.csv"))
    found = calibrating.calibrated(searcher_of(config), config)
    assert found.landmark and not found.photo and "48 train photos" in found.source


def test_the_command_prints_and_writes(rows_world, tmp_path, capsys):
    folder, _ = rows_world
    config = config_of(folder, tmp_path, EvaluateIndexConfig)
    flags = [f"--{n}={getattr(config, n)}" for n in ("index", "train", "landmarks", "labels")]
    flags += [f"--cache={tmp_path}", f"--json={tmp_path / 'quality.json'}"]
    assert evaluate_index.main(flags) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("49 index photos, each searched as if it were new\n")
    assert "photos    48, and 1 without an answer in the index" in shown
    written = json.loads((tmp_path / "quality.json").read_text())
    assert f"mAP@100   {written['map_100']:.4f}" in shown
    assert len(written["worst"]) == LANDMARKS and written["calibration"]["landmark"]["slope"] > 0


def test_held_out_photos_of_a_table(world, tmp_path, capsys):
    """Photos of the world's own landmarks, one that nothing shows, one that is none."""
    table = ["photo,landmark", "a/0.jpg,Tower <100>", "1.jpg,Tower <101>", "9.jpg,Somewhere else"]
    (tmp_path / "photos" / "a").mkdir(parents=True)
    for name, number in (("a/0.jpg", 0), ("1.jpg", 1), ("9.jpg", 9)):
        (tmp_path / "photos" / name).write_bytes(photo(number))
    (tmp_path / "photos" / "bad.jpg").write_bytes(b"no photo")
    (tmp_path / "held_out.csv").write_text("\n".join([*table, "bad.jpg,Tower <101>"]) + "\n")
    flags = [f"--{name}={value}" for name, value in world.searched.items()]
    flags += [f"--photos={tmp_path / 'photos'}", f"--table={tmp_path / 'held_out.csv'}"]
    flags += [f"--cache={tmp_path}", f"--json={tmp_path / 'quality.json'}"]
    assert evaluate_index.main(flags) == 0
    output = capsys.readouterr()
    assert "3 photos of " in output.out
    assert "bad.jpg: expected a photo, found an unusable file: not an image" in output.err
    assert "landmarks that the index does not have: 1 (Somewhere else)" in output.err
    written = json.loads((tmp_path / "quality.json").read_text())
    # The same pictures are in the index under other ids: they are found first.
    assert (written["queries"], written["unanswerable"], written["recall_1"]) == (2, 1, 1.0)
    assert "not known" in output.out  # Three photos say nothing about confidence.


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--index=x"], "--labels: expected the index photos' landmarks"),
        (["--labels=x"], "--index: expected a folder, found none"),
        (["--index=x", "--labels=y", "--photos=z"], "expected --photos and --table together"),
        (["--index=x", "--labels=y", "--photos=z", "--table=t"], "--model: expected the model"),
        (["--index=x", "--labels=y", "--most=-1"], "--most: expected 0 to"),
        ([], "--index: expected a folder, found none"),
    ],
)
def test_mistakes_take_one_line(capsys, flags, message):
    assert evaluate_index.main(flags) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line


def test_labels_of_other_photos_are_refused(rows_world, tmp_path, capsys):
    folder, _ = rows_world
    (tmp_path / "other.csv").write_text("id,landmark_id\nffffffffffffffff,1\n")
    flags = [f"--index={folder / 'index'}", f"--labels={tmp_path / 'other.csv'}"]
    assert evaluate_index.main([*flags, f"--cache={tmp_path}"]) == 2
    assert "other.csv: expected photos with another photo of their landmark" in (
        capsys.readouterr().err
    )


def test_search_answers_the_good_photos_of_a_list(world, tmp_path, capsys):
    (tmp_path / "bad.jpg").write_bytes(b"no photo")
    photos = [str(tmp_path / "bad.jpg"), world.photos[0], str(tmp_path / "none.jpg")]
    flags = [f"--{name}={value}" for name, value in world.searched.items()]
    flags += [f"--cache={tmp_path}", f"--json={tmp_path / 'a.json'}"]
    assert search.main([*photos, *flags]) == 2
    output = capsys.readouterr()
    assert world.photos[0] in output.out and "100 Tower <100>" in output.out
    errors = [line for line in output.err.splitlines() if "error: " in line]
    assert "bad.jpg: expected a photo" in errors[0] and "none.jpg: no such file" in errors[1]
    assert len(errors) == 2
    listed = json.loads((tmp_path / "a.json").read_text())["answers"]
    assert [each["photo"] for each in listed] == photos
    assert "error" in listed[0] and listed[1]["photos"] and "error" in listed[2]


def test_photos_of_a_plain_folder_are_named(world, tmp_path, capsys):
    """As embed writes photos.csv where a set is of a folder of photos."""
    rows, ids = EmbeddingSet.open(world.index).part(0)
    write_part(str(tmp_path / "set"), 0, 1, rows, ids)
    meta = EmbeddingSet.open(world.index).meta
    finish(str(tmp_path / "set"), 1, **meta)
    lines = [f"{image_id(n)},holiday/{n}.jpg" for n in range(8)]
    (tmp_path / "set" / "photos.csv").write_text("\n".join(["image_id,path", *lines]) + "\n")
    flags = [f"--model={world.model}", f"--index={tmp_path / 'set'}"]
    assert search.main([world.photos[2], *flags, f"--cache={tmp_path}"]) == 0
    assert "holiday/2.jpg" in capsys.readouterr().out


def test_held_out_photos_replace_the_curves_that_they_tell_of(rows_world, tmp_path, monkeypatch):
    folder, rows = rows_world
    config = config_of(folder, tmp_path)
    searcher = searcher_of(config)
    before = calibrating.calibrated(searcher, config)
    new = index_quality.KnownPhotos(rows[:48], np.full(48, b"", "S16"), np.arange(48) % LANDMARKS)
    both = calibrating.held_out(searcher, new, config)
    assert both.source == "48 held-out photos, 48 of them of known landmarks"
    assert both.landmark != before.landmark and both.photo != before.photo
    assert calibrating.calibrated(searcher, config) == both

    with monkeypatch.context() as patch:
        one = Calibration(Curve(3.0, -3.0, 3.0), None, "few")
        patch.setattr(curve_data, "calibrate", lambda *_: one)
        mixed = calibrating.held_out(searcher, new, config)
    assert mixed.landmark == one.landmark and mixed.photo == both.photo
    assert mixed.source.endswith("; photos: 48 held-out photos, 48 of them of known landmarks")
    assert calibrating.calibrated(searcher, config) == mixed
