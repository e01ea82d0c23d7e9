"""Index commands as they are typed, with a small network and photos of one colour each."""

import csv

import numpy as np
import pytest
import tiny_descriptors
from PIL import Image

import glrtf
from glrtf.commands import embed, index_add, index_compact, index_remove

pytest.importorskip("onnxruntime", reason="pip install '.[onnx]'")

FLAGS = "--descriptor.mean 0.5 0.4 0.3 --descriptor.std 0.2 0.3 0.1"


def colour(number):
    return np.random.default_rng(number).integers(0, 256, 3)


def write_photos(folder, *numbers):
    folder.mkdir(exist_ok=True)
    for number in numbers:
        image = np.broadcast_to(colour(number).astype(np.uint8), (20, 24, 3))
        Image.fromarray(image).save(folder / f"photo{number}.png")
    return folder


def rows_by_id(opened):
    return dict(zip(opened.ids.tolist(), opened.take(np.arange(opened.num_rows)), strict=True))


def listed(folder):
    with open(folder / "photos.csv") as file:
        return [row[0] for row in csv.reader(file)][1:]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_descriptors.write_onnx(tmp_path_factory.mktemp("model") / "a.onnx")


def embedded(model, photos, folder):
    argv = f"--model {model} --data {photos} --output {folder} --tta plain --dtype float16"
    assert embed.main([*argv.split(), *FLAGS.split(), "--strategy", "cpu"]) == 0
    return glrtf.open_set(folder)


def test_new_photos_alone_are_embedded_as_the_set_was(model, tmp_path, capsys):
    photos = write_photos(tmp_path / "photos", 0, 1, 2)
    before = embedded(model, photos, tmp_path / "index")
    write_photos(photos, 3, 4)
    (photos / "photo9.png").write_bytes((photos / "photo3.png").read_bytes()[:40])
    capsys.readouterr()
    argv = ["--index", str(tmp_path / "index"), "--model", model, "--data", str(photos)]
    assert index_add.main(argv) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].endswith("5 rows (2 added, 0 replaced), version 1")
    assert printed[1].startswith("note: 3 photos are in the set already")
    assert printed[2].startswith("note: 1 photos left no row: photo9 (")
    # Views, preparation and dtype come from the set: no flag says them again.
    found = glrtf.open_set(tmp_path / "index", "always")
    made = embedded(model, photos, tmp_path / "at_once")
    assert found.dtype == np.float16 and found.part_lengths == (3, 2)
    rows, expected = rows_by_id(found), rows_by_id(made)
    assert rows.keys() == expected.keys()
    for image_id, row in rows.items():
        np.testing.assert_allclose(row, expected[image_id], atol=1e-3)
    np.testing.assert_array_equal(found.part(0)[0], before.part(0)[0])
    assert listed(tmp_path / "index") == listed(tmp_path / "at_once")

    assert index_add.main(argv) == 0
    assert "5 rows (0 added, 0 replaced), version 1" in capsys.readouterr().out

    argv = ["--index", str(tmp_path / "index"), "--ids", "photo1", "photo3"]
    assert index_remove.main(argv) == 0
    assert "3 rows (2 removed), version 2" in capsys.readouterr().out
    assert {"photo1", "photo3"}.isdisjoint(listed(tmp_path / "index"))
    assert index_compact.main(["--index", str(tmp_path / "index")]) == 0
    assert "3 rows in 1 parts, version 3" in capsys.readouterr().out
    final = glrtf.open_set(tmp_path / "index", "always")
    assert final.ids.tolist() == [b"photo0", b"photo2", b"photo4"]
    assert len(list((tmp_path / "index").glob("embeddings-*.npy"))) == 1


def test_a_changed_photo_takes_the_place_of_the_old_one(model, tmp_path, capsys):
    photos = write_photos(tmp_path / "photos", 0, 1)
    embedded(model, photos, tmp_path / "index")
    (photos / "photo0.png").write_bytes(
        (write_photos(tmp_path / "other", 5) / "photo5.png").read_bytes()
    )
    (photos / "photo1.png").unlink()
    config = glrtf.IndexAddConfig(
        str(tmp_path / "index"), model=model, data=str(photos), existing="replace"
    )
    change = glrtf.index_add(config).change
    assert (change.added, change.removed, change.skipped) == (1, 1, 0)
    expected = rows_by_id(embedded(model, photos, tmp_path / "at_once"))
    np.testing.assert_allclose(rows_by_id(change.set)[b"photo0"], expected[b"photo0"], atol=1e-3)


def write_set(folder, ids, **meta):
    rows = np.eye(4, dtype=np.float32)[: len(ids)]
    return glrtf.write_set(folder, rows, ids, model="m", **meta)


@pytest.mark.parametrize(
    ("command", "argv", "message"),
    [
        (index_add, "--index {0}/nothing --rows {0}/new", "--index "),
        (index_add, "--index {0}/index --rows {0}/nothing", "--rows "),
        (index_add, "--index {0}/index", "expected --rows, or --model and --data, found neither"),
        (index_add, "--index {0}/index --data {0}", "expected --model and --data together"),
        (index_add, "--index {0}/index --rows {0}/other", "size 128"),
        (index_add, "--index {0}/index --rows {0}/new --existing error", "found 1 in it (b)"),
        (index_remove, "--index {0}/index", "expected --ids or --ids_file, found neither"),
        (index_remove, "--index {0}/index --ids c", "found 1 not in it (c)"),
        (index_remove, "--index {0}/index --ids a b", "found all 2 named"),
        (index_remove, "--index {0}/index --ids_file {0}/no.txt", "--ids_file"),
        (index_compact, "--index {0}", "--index"),
    ],
)
def test_mistakes_are_one_line_and_change_nothing(tmp_path, capsys, command, argv, message):
    write_set(tmp_path / "index", ["a", "b"], size=128)
    write_set(tmp_path / "new", ["b", "c"], size=128)
    write_set(tmp_path / "other", ["d"], size=64)
    before = (tmp_path / "index" / "embedding_set.json").read_bytes()
    assert command.main(argv.format(tmp_path).split()) == 2
    found = capsys.readouterr().err
    assert found.count("\n") == 1 and message in found
    assert (tmp_path / "index" / "embedding_set.json").read_bytes() == before


def test_rows_of_a_set_and_ids_of_a_file(tmp_path, capsys):
    write_set(tmp_path / "index", ["a", "b"])
    write_set(tmp_path / "new", ["b", "c"])
    (tmp_path / "gone.txt").write_text("a\nx\n")
    assert index_add.main(f"--index {tmp_path}/index --rows {tmp_path}/new".split()) == 0
    argv = f"--index {tmp_path}/index --ids_file {tmp_path}/gone.txt --ignore_unknown true"
    assert index_remove.main(argv.split()) == 0
    assert "note: 1 ids are not in the set" in capsys.readouterr().out
    assert glrtf.open_set(tmp_path / "index").ids.tolist() == [b"b", b"c"]
