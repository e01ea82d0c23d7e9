"""Rows of every format: what goes in comes out, and what cannot be is one line."""

import csv
import json

import numpy as np
import pytest

from glrtf.__main__ import main
from glrtf.embeddings import embedding_set
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.embeddings.foreign import formats, importing, numpy_files, row_file

IDS = ["a", "b/c d.jpg", "Köln, Dom", '"q"', "0123456789abcdef0123"]


def unit_rows(count=5, dimension=6, seed=0):
    rows = np.random.default_rng(seed).normal(size=(count, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def write_source(path, rows=None, ids=IDS):
    """A set of two parts, so that blocks cross them."""
    rows = unit_rows() if rows is None else rows
    embedding_set.write_part(str(path), 0, 2, rows[:2], ids[:2])
    embedding_set.write_part(str(path), 1, 2, rows[2:], ids[2:])
    return embedding_set.finish(str(path), 2, model="m")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    for module in (row_file, formats, numpy_files):
        monkeypatch.setattr(module, "ROWS_AT_ONCE", 2)


def run(*arguments):
    return main([str(argument) for argument in arguments])


def imported(*arguments):
    assert run("rows", "import", *arguments) == 0
    return EmbeddingSet.open(str(arguments[arguments.index("--output") + 1]))


def ids_of(one):
    return [image_id.decode() for image_id in one.ids]


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def note(capsys, *arguments):
    capsys.readouterr()
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    lines = [line for line in error.splitlines() if not line.startswith("import: ")]
    assert len(lines) == 1 and "Traceback" not in error
    return lines[0]


@pytest.mark.parametrize("ending", [".npy", ".npz", ".parquet", ".h5", ".faiss"])
def test_exported_rows_come_back_bit_by_bit(tmp_path, ending):
    if ending == ".faiss":
        pytest.importorskip("faiss")
    source = write_source(tmp_path / "set")
    path = tmp_path / f"rows{ending}"
    assert run("rows", "export", "--sets", tmp_path / "set", "--output", path) == 0
    flags = ["--ids", tmp_path / "rows.ids.txt"] if ending in (".npy", ".faiss") else []
    back = imported("--source", path, "--output", tmp_path / "back", "--model", "m", *flags)
    assert ids_of(back) == IDS
    np.testing.assert_array_equal(back.take(np.arange(5)), source.take(np.arange(5)))
    assert back.meta["model"] == "m" and back.num_parts == 1


def test_a_saved_data_set_of_two_files(tmp_path):
    """As `datasets.Dataset.save_to_disk` lays it out: Arrow streams and state.json."""
    pa = pytest.importorskip("pyarrow")
    rows = unit_rows() * 3
    names = []
    for number, part in enumerate((slice(0, 3), slice(3, 5))):
        columns = {"image_id": IDS[part], "label": [0] * len(IDS[part])}
        columns["features"] = pa.array(rows[part].tolist(), pa.list_(pa.float32()))
        table = pa.table(columns)
        name = f"data-{number:05d}-of-00002.arrow"
        names.append({"filename": name})
        with (
            pa.OSFile(str(tmp_path / name), "wb") as sink,
            pa.ipc.new_stream(sink, table.schema) as writer,
        ):
            writer.write_table(table)
    state = {"_data_files": names, "_indices_files": None, "_format_type": None}
    (tmp_path / "state.json").write_text(json.dumps(state))
    back = imported("--source", tmp_path, "--output", tmp_path / "set", "--model", "m")
    assert ids_of(back) == IDS
    np.testing.assert_allclose(back.take(np.arange(5)), unit_rows(), atol=1e-6)


def test_one_file_cut_into_splits_by_tables(tmp_path, capsys):
    rows = np.vstack([unit_rows(), np.zeros((1, 6)), unit_rows()[:1], unit_rows(1, seed=3)])
    ids = [*IDS, "zero", "a", "other"]
    np.savez(tmp_path / "rows.npz", vectors=rows.astype(np.float16), names=np.array(ids))
    with open(tmp_path / "index.csv", "w", newline="") as file:
        csv.writer(file).writerows([["id"], *[[one] for one in [*IDS[:3], "zero", "absent"]]])
    (tmp_path / "query.txt").write_text("\n".join(["b/c d.jpg", IDS[4]]) + "\n")
    splits = [f"index={tmp_path}/index.csv", f"query={tmp_path}/query.txt"]
    out = tmp_path / "sets"
    command = ["--source", tmp_path / "rows.npz", "--output", out, "--model", "m"]
    assert run("rows", "import", *command, "--splits", *splits) == 0
    text = capsys.readouterr().out
    index, query = EmbeddingSet.open(str(out / "index")), EmbeddingSet.open(str(out / "query"))
    assert ids_of(index) == IDS[:3] and ids_of(query) == ["b/c d.jpg", IDS[4]]
    assert index.meta["split"] == "index"
    with open(out / "rejects.csv", newline="", encoding="utf-8") as file:
        assert list(csv.reader(file))[1:] == [
            ["zero", "5", "only zeros"],
            ["a", "6", "the id of row 0 again"],
        ]
    # '"q"' and "other" are in no table; "absent" has no row.
    assert "2 rows are in no table" in text and "1 ids of index have no row" in text


def test_parts_are_cut_and_bad_rows_listed(tmp_path, monkeypatch):
    monkeypatch.setattr(importing, "_MOST_ROWS_A_PART", 3)
    rows = unit_rows(8)
    rows[1], rows[4, 2], rows[6] = 0, np.nan, rows[0]
    rows *= 7
    np.save(tmp_path / "rows.npy", rows)
    (tmp_path / "ids.txt").write_text("".join(f"i{n}\n" for n in range(8)))
    flags = ["--source", tmp_path / "rows.npy", "--ids", tmp_path / "ids.txt", "--model", "m"]
    one = imported(*flags, "--output", tmp_path / "a")
    # Eight rows in three parts of 2, 3 and 3; rows 1 and 4 are left out of theirs.
    assert one.part_lengths == (1, 2, 3)
    assert ids_of(one) == ["i0", "i2", "i3", "i5", "i6", "i7"]
    with open(tmp_path / "a" / "rejects.csv", newline="") as file:
        rejects = list(csv.reader(file))[1:]
    assert rejects == [["i1", "1", "only zeros"], ["i4", "4", "NaN or infinity"]]
    with open(tmp_path / "a" / "doubles.csv", newline="") as file:
        assert list(csv.reader(file))[1:] == [["i6", "6", "i0"]]
    again = imported(*flags, "--output", tmp_path / "b")
    assert again.digest == one.digest


def test_whole_numbers_are_ids_and_rows(tmp_path):
    faiss = pytest.importorskip("faiss")
    flat = faiss.IndexFlatL2(6)
    index = faiss.IndexIDMap(flat)
    index.add_with_ids(unit_rows() * 2, np.array([7, 3, 12, 5, 900]))
    faiss.write_index(index, str(tmp_path / "x.index"))
    back = imported("--source", tmp_path / "x.index", "--output", tmp_path / "s", "--model", "m")
    assert ids_of(back) == ["7", "3", "12", "5", "900"]
    np.save(tmp_path / "bytes.npy", (unit_rows() * 100).astype(np.int8))
    np.save(tmp_path / "n.npy", np.arange(5))
    flags = ["--ids", tmp_path / "n.npy", "--model", "m"]
    small = imported("--source", tmp_path / "bytes.npy", "--output", tmp_path / "t", *flags)
    # Rounded to hundredths: cosine to the row itself is above 1 - 6·0.005²/2.
    assert (np.einsum("ij,ij->i", small.take(np.arange(5)), unit_rows()) > 0.9999).all()


def test_float16_overflow_and_tiny_rows_are_exact(tmp_path):
    rows, reasons = importing.unit_rows(np.array([[3e200, 4e200], [3e-200, 4e-200], [0, 0]]))
    np.testing.assert_allclose(rows[:2], [[0.6, 0.8]] * 2, rtol=1e-7)
    assert reasons == ["", "", "only zeros"]


def test_mistakes_are_one_line(tmp_path, capsys):
    np.save(tmp_path / "rows.npy", unit_rows())
    np.save(tmp_path / "maps.npy", np.zeros((5, 4, 4, 8), np.float32))
    np.savez(tmp_path / "two.npz", a=unit_rows(), b=unit_rows())
    (tmp_path / "few.txt").write_text("a\nb\n")
    (tmp_path / "bad.txt").write_text("a\nb\nc\n d\ne\n")
    (tmp_path / "no.npy").write_text("no array")
    (tmp_path / "folder").mkdir()
    flags = ["--output", tmp_path / "out", "--model", "m"]

    def said(source, *more):
        return note(capsys, "rows", "import", "--source", tmp_path / source, *flags, *more)

    assert "expected --ids, a file with an id for each of its 5 rows" in said("rows.npy")
    assert "found 5 rows and 2 ids" in said("rows.npy", "--ids", tmp_path / "few.txt")
    assert "found ' d'" in said("rows.npy", "--ids", tmp_path / "bad.txt")
    assert "found an array (5, 4, 4, 8); pool" in said("maps.npy")
    assert "expected --rows to say which to read, found a, b" in said("two.npz")
    assert "--rows c: found no such name, only a, b" in said("two.npz", "--rows", "c")
    assert "expected an .npy file of plain numbers" in said("no.npy")
    assert "found a folder of neither" in said("folder")
    assert "found nothing of that name" in said("absent.npy")
    assert "found .txt" in said("few.txt")
    assert not (tmp_path / "out").exists()
    wrong = ["--source", tmp_path / "rows.npy", "--output", tmp_path / "out", "--model", ""]
    assert "--model: expected the name" in note(capsys, "rows", "import", *wrong)
    assert "expected NAME=TABLE" in said("rows.npy", "--splits", "index.csv")


def test_too_many_bad_rows_and_a_set_that_is_there(tmp_path, capsys):
    rows = unit_rows()
    rows[3] = 0
    np.savez(tmp_path / "rows.npz", rows=rows, ids=np.array(IDS))
    flags = ["--source", tmp_path / "rows.npz", "--output", tmp_path / "out", "--model", "m"]
    error = note(capsys, "rows", "import", *flags, "--max_rejects", 0)
    assert 'found row 3 (image "q"): only zeros' in error
    assert run("rows", "import", *flags) == 0
    before = contents(tmp_path / "out")
    assert run("rows", "import", *flags) == 0  # The same again.
    other = "found an embedding set of other rows; name another"
    assert other in note(capsys, "rows", "import", *flags[:-1], "another model")
    assert other in note(capsys, "rows", "import", *flags, "--dtype", "float16")
    rows[0] = rows[1]
    np.savez(tmp_path / "rows.npz", rows=rows, ids=np.array(IDS))
    assert other in note(capsys, "rows", "import", *flags)
    assert contents(tmp_path / "out") == before


def test_an_import_that_ended_between_two_sets_is_finished(tmp_path):
    np.savez(tmp_path / "rows.npz", rows=unit_rows(), ids=np.array(IDS))
    for name, ids in (("first", IDS[:2]), ("second", IDS[2:])):
        (tmp_path / f"{name}.txt").write_text("".join(f"{one}\n" for one in ids))
    splits = ",".join(f"{name}={tmp_path / name}.txt" for name in ("first", "second"))
    flags = ["--source", tmp_path / "rows.npz", "--output", tmp_path / "out", "--model", "m"]
    assert run("rows", "import", *flags, f"--splits=[{splits}]") == 0
    whole = contents(tmp_path / "out")
    (tmp_path / "out" / "second" / "embedding_set.json").unlink()
    assert run("rows", "import", *flags, f"--splits=[{splits}]") == 0
    assert contents(tmp_path / "out") == whole


def test_columns_that_are_not_rows(tmp_path, capsys):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pa.table({"id": IDS, "x": [[1.0, 2.0]] * 4 + [[1.0]], "n": list(range(5))})
    parquet.write_table(table, tmp_path / "odd.parquet")
    flags = ["--output", tmp_path / "out", "--model", "m"]
    odd = ["rows", "import", "--source", tmp_path / "odd.parquet", *flags]
    assert "row 4: expected 2 numbers as in the first row, found 1" in note(capsys, *odd)
    assert "column n: expected lists of numbers" in note(capsys, *odd, "--rows", "n")
    (tmp_path / "no.parquet").write_bytes(b"PAR1 no more")
    bad = ["rows", "import", "--source", tmp_path / "no.parquet", *flags]
    assert "expected columns of Arrow or Parquet" in note(capsys, *bad)


def test_no_row_with_a_direction_is_an_error(tmp_path, capsys):
    np.savez(tmp_path / "zero.npz", rows=np.zeros((5, 4)), ids=np.array(IDS))
    flags = ["--source", tmp_path / "zero.npz", "--output", tmp_path / "out", "--model", "m"]
    error = note(capsys, "rows", "import", *flags)
    assert "expected rows with a direction, found none" in error
    assert "is 0 (image a): only zeros" in error
    assert not (tmp_path / "out" / "embedding_set.json").exists()
    # One split is whole, the other one is empty.
    rows = np.vstack([unit_rows(3), np.zeros((2, 6))])
    np.savez(tmp_path / "half.npz", rows=rows, ids=np.array(IDS))
    (tmp_path / "good.txt").write_text("a\n")
    (tmp_path / "bad.txt").write_text(IDS[4] + "\n")
    splits = [f"--splits=[good={tmp_path / 'good.txt'},bad={tmp_path / 'bad.txt'}]"]
    flags[1] = tmp_path / "half.npz"
    error = note(capsys, "rows", "import", *flags, *splits)
    assert "expected rows of bad with a direction, found none" in error
    assert f"is 4 (image {IDS[4]})" in error


@pytest.mark.parametrize("name", ["ids", "image_id", "group/ids"])
@pytest.mark.parametrize("ending", [".npz", ".h5"])
def test_whole_numbers_are_ids_by_their_name(tmp_path, capsys, ending, name):
    """Of another name they could be labels."""
    if ending == ".npz":

        def write(path, **arrays):
            np.savez(path, **arrays)
    else:
        h5py = pytest.importorskip("h5py")

        def write(path, **arrays):
            with h5py.File(path, "w") as file:
                for key, array in arrays.items():
                    file[key] = array

    numbers = np.array([7, 3, 12, 5, 900], ">i8")
    path = tmp_path / f"x{ending}"
    write(path, rows=unit_rows(), **{name: numbers, "labels": np.arange(5)})
    back = imported("--source", path, "--output", tmp_path / "s", "--model", "m")
    assert ids_of(back) == ["7", "3", "12", "5", "900"]
    path = tmp_path / f"y{ending}"
    write(path, rows=unit_rows(), labels=numbers)
    flags = ["--source", path, "--output", tmp_path / "t", "--model", "m"]
    assert "expected --ids, a file with an id" in note(capsys, "rows", "import", *flags)
    named = imported(*flags, "--id_column", "labels")
    assert ids_of(named) == ["7", "3", "12", "5", "900"]


def test_parquet_files_of_a_folder_that_differ(tmp_path, capsys):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    folder = tmp_path / "files"
    folder.mkdir()
    flags = ["--source", folder, "--output", tmp_path / "out", "--model", "m"]
    parquet.write_table(pa.table({"id": IDS[:2], "x": [[1.0, 2.0]] * 2}), folder / "a.parquet")
    for columns, expected in (
        ({"name": IDS[2:], "x": [[1.0, 2.0]] * 3}, "b.parquet: expected a column id as in"),
        ({"id": IDS[2:], "y": [[1.0, 2.0]] * 3}, "b.parquet: expected a column x as in"),
        ({"id": [0.0, 1.0, 2.0], "x": [[1.0, 2.0]] * 3}, "column id: expected ids of text or"),
        ({"id": IDS[2:], "x": [1.0] * 3}, "column x: expected lists of numbers, found double"),
    ):
        parquet.write_table(pa.table(columns), folder / "b.parquet")
        assert expected in note(capsys, "rows", "import", *flags)
    encoded = pa.array([one.encode() for one in IDS[2:]])
    parquet.write_table(pa.table({"x": [[1.0, 2.0]] * 3, "id": encoded}), folder / "b.parquet")
    assert ids_of(imported(*flags)) == IDS


def test_columns_of_one_number_each_are_no_rows(tmp_path, capsys):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.table({"id": IDS, "f0": [1.0] * 5}), tmp_path / "wide.parquet")
    flags = ["--source", tmp_path / "wide.parquet", "--output", tmp_path / "out", "--model", "m"]
    error = note(capsys, "rows", "import", *flags)
    assert "expected one row of several numbers for each image, found only id, f0" in error


def test_an_index_that_lost_its_rows(tmp_path, capsys):
    faiss = pytest.importorskip("faiss")
    index = faiss.index_factory(6, "PCA2,Flat")
    index.train(unit_rows(40))
    index.add(unit_rows())
    faiss.write_index(index, str(tmp_path / "x.faiss"))
    flags = ["--source", tmp_path / "x.faiss", "--output", tmp_path / "out", "--model", "m"]
    error = note(capsys, "rows", "import", *flags)
    assert "expected a flat index, found IndexPreTransform" in error


def test_joined_sets_are_exported(tmp_path):
    write_source(tmp_path / "a")
    write_source(tmp_path / "b", unit_rows(5, 3, seed=1))
    path = tmp_path / "both.npz"
    sets = [tmp_path / "a", tmp_path / "b"]
    assert run("rows", "export", "--sets", *sets, "--votes", 1, 2, "--output", path) == 0
    with np.load(path) as written:
        assert written["rows"].shape == (5, 9)
        assert [one.decode() for one in written["ids"]] == IDS
        expected = np.hstack([unit_rows(), 2 * unit_rows(5, 3, seed=1)]) / np.sqrt(5)
        np.testing.assert_allclose(written["rows"], expected, atol=1e-6)
