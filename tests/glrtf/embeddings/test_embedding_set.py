import json

import numpy as np
import pytest

from glrtf.embeddings.embedding_set import KINDS, EmbeddingSet, finish, part_file, write_part
from glrtf.embeddings.rows import normalized
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files


def unit_rows(count, dimension=8, seed=0, dtype=np.float32):
    rows = np.random.default_rng(seed).normal(size=(count, dimension))
    return normalized(rows).astype(dtype)


def names(*numbers):
    return np.array([f"{number:016x}" for number in numbers], "S16")


def write_set(folder, lengths=(3, 0, 2), dtype=np.float32):
    first = 0
    for part, length in enumerate(lengths):
        ids = names(*range(first, first + length))
        write_part(str(folder), part, len(lengths), unit_rows(length, seed=part, dtype=dtype), ids)
        first += length
    return finish(str(folder), len(lengths), model="v2b0", size=128, tta=["plain"])


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_rows_and_ids_come_back_as_written(tmp_path, dtype):
    write_set(tmp_path, dtype=dtype)
    opened = EmbeddingSet.open(tmp_path)
    assert opened.part_lengths == (3, 0, 2)
    assert (opened.num_rows, opened.dimension, opened.dtype) == (5, 8, np.dtype(dtype))
    assert opened.meta == {"model": "v2b0", "size": 128, "tta": ["plain"]}
    rows, ids = opened.part(2)
    assert isinstance(rows, np.memmap)
    np.testing.assert_array_equal(rows, unit_rows(2, seed=2, dtype=dtype))
    np.testing.assert_array_equal(ids, names(3, 4))
    np.testing.assert_array_equal(opened.ids, names(0, 1, 2, 3, 4))
    np.testing.assert_array_equal(opened.read(0, 1, 3), rows32 := opened.part(0)[0][1:3])
    assert opened.read(0, 1, 3).dtype == np.float32 and rows32.dtype == dtype
    assert opened.read(1, 0, 5).shape == (0, 8)
    opened.verify()


def test_a_second_run_gives_the_same_bytes_and_the_digest_follows_the_rows(tmp_path):
    one, two = write_set(tmp_path / "a"), write_set(tmp_path / "b")
    assert one.digest == two.digest
    for path in sorted((tmp_path / "a").iterdir()):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    write_part(str(tmp_path / "b"), 2, 3, unit_rows(2, seed=9), names(3, 4))
    assert finish(str(tmp_path / "b"), 3, model="v2b0").digest != one.digest


def truncate(folder):
    path = folder / part_file("embeddings", 0, 3)
    path.write_bytes(path.read_bytes()[:-5])
    return path.name


def empty_file(folder):
    (folder / part_file("ids", 0, 3)).write_bytes(b"")
    return part_file("ids", 0, 3)


def pickled(folder):
    path = folder / part_file("embeddings", 0, 3)
    np.save(path, np.array([{"a": 1}, None], dtype=object))
    return path.name


def archive(folder):
    path = folder / part_file("embeddings", 2, 3)
    with open(path, "wb") as file:
        np.savez(file, rows=unit_rows(2))
    return path.name


def no_json(folder):
    (folder / "embedding_set.json").unlink()
    return "no embedding_set.json"


def other_version(folder):
    path = folder / "embedding_set.json"
    files.write_json(str(path), {**files.read_json(str(path)), "schema_version": 7})
    return "found 7"


def without_parts(folder):
    path = folder / "embedding_set.json"
    path.write_text(json.dumps({"schema_version": 1}))
    return "parts"


def not_json(folder):
    (folder / "embedding_set.json").write_text("{")
    return "not a JSON file"


def missing_part(folder):
    (folder / part_file("embeddings", 2, 3)).unlink()
    return part_file("embeddings", 2, 3)


def wrong_shape(folder):
    np.save(folder / part_file("embeddings", 2, 3), unit_rows(2, dimension=7))
    return "(2, 7)"


def wrong_dtype(folder):
    np.save(folder / part_file("embeddings", 2, 3), unit_rows(2).astype(np.float64))
    return "found float64"


def too_few_ids(folder):
    np.save(folder / part_file("ids", 0, 3), names(0, 1))
    return "found |S16 (2,)"


def duplicate_id(folder):
    np.save(folder / part_file("ids", 2, 3), names(3, 1))
    return f"{1:016x} twice"


@pytest.mark.parametrize(
    "break_it",
    [
        truncate,
        empty_file,
        pickled,
        archive,
        no_json,
        other_version,
        without_parts,
        not_json,
        missing_part,
        wrong_shape,
        wrong_dtype,
        too_few_ids,
        duplicate_id,
    ],
)
def test_a_broken_set_is_refused_in_one_line(tmp_path, break_it):
    write_set(tmp_path)
    found = break_it(tmp_path)
    with pytest.raises(UserError) as refusal:
        EmbeddingSet.open(tmp_path)
    assert found in str(refusal.value) and str(tmp_path) in str(refusal.value)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        EmbeddingSet.open(tmp_path / "absent")


@pytest.mark.parametrize(
    ("value", "found"), [(np.nan, "NaN or infinity"), (np.inf, "NaN"), (0.0, "length 0")]
)
def test_bad_rows_are_refused_when_written_and_when_read(tmp_path, value, found):
    rows = unit_rows(3)
    rows[1] = value
    with pytest.raises(UserError, match=f"row 1 .image {1:016x}.*{found}"):
        write_part(str(tmp_path / "new"), 0, 1, rows, names(0, 1, 2))
    assert not (tmp_path / "new").exists()
    write_set(tmp_path / "set")
    stored = unit_rows(2, seed=2)
    stored[1] = value
    np.save(tmp_path / "set" / part_file("embeddings", 2, 3), stored)
    with pytest.raises(UserError, match="changed since"):
        EmbeddingSet.open(tmp_path / "set")
    # A set whose JSON was written by other means: the digests fit, the rows do not.
    opened = finish(str(tmp_path / "set"), 3)
    with pytest.raises(UserError, match=f"row 4 .image {4:016x}.*{found}"):
        opened.read(2, 0, 2)


def test_rows_that_do_not_fit_their_ids_are_a_programming_error(tmp_path):
    for rows, ids in [
        (unit_rows(3), names(0, 1)),
        (unit_rows(3)[0], names(0)),
        (unit_rows(1, dtype=np.float64), names(0)),
        (unit_rows(1), ["x" * 256]),
        (unit_rows(1), [3]),
    ]:
        with pytest.raises(ValueError, match="expected"):
            write_part(str(tmp_path), 0, 1, rows, ids)
    with pytest.raises(ValueError, match="part 1 of 1"):
        write_part(str(tmp_path), 1, 1, unit_rows(1), names(0))


@pytest.mark.parametrize("image_id", ["", " a", "a\nb", "\x00a", "a\x00", "\udc80", b"\xe9"])
def test_ids_that_a_file_would_change_are_refused(tmp_path, image_id):
    with pytest.raises(UserError, match="expected image ids"):
        write_part(str(tmp_path), 0, 1, unit_rows(1), [image_id])


def test_short_ids_keep_their_bytes_and_a_long_one_widens_its_part_alone(tmp_path):
    parts = [["a", "0123456789abcdef"], ["a path/to/Köln.jpg"], ["x" * 255]]
    for part, ids in enumerate(parts):
        write_part(str(tmp_path), part, 3, unit_rows(len(ids)), ids)
    opened = finish(str(tmp_path), 3, model="m", size=8)
    assert [one.decode() for one in opened.ids] == [one for part in parts for one in part]
    widths = [np.load(tmp_path / part_file("ids", part, 3)).dtype for part in range(3)]
    # "ö" takes two bytes.
    assert widths == ["S16", "S19", "S255"]
    np.save(tmp_path / "as_before.npy", np.array(parts[0], "S16"))
    written = (tmp_path / part_file("ids", 0, 3)).read_bytes()
    assert written == (tmp_path / "as_before.npy").read_bytes()


def test_finish_compares_parts_with_their_receipts(tmp_path):
    for part in range(2):
        write_part(str(tmp_path), part, 2, unit_rows(2, seed=part), names(2 * part, 2 * part + 1))
    receipts = [
        {f"{kind}_sha256": files.sha256(str(tmp_path / part_file(kind, part, 2))) for kind in KINDS}
        for part in range(2)
    ]
    write_part(str(tmp_path), 1, 2, unit_rows(2, seed=7), names(2, 3))
    with pytest.raises(UserError, match=r"embeddings-00001-of-00002\.npy: changed since"):
        finish(str(tmp_path), 2, receipts=receipts)
    assert not (tmp_path / "embedding_set.json").exists()
    write_part(str(tmp_path), 1, 2, unit_rows(2, seed=1), names(2, 3))
    assert finish(str(tmp_path), 2, receipts=receipts).num_rows == 4


def test_finish_refuses_what_is_not_one_whole_set(tmp_path):
    write_part(str(tmp_path), 0, 2, unit_rows(2), names(0, 1))
    with pytest.raises(UserError, match=r"00001-of-00002.npy: no such file"):
        finish(str(tmp_path), 2)
    with pytest.raises(UserError, match="expected parts of 1 only"):
        finish(str(tmp_path), 1)
    write_part(str(tmp_path), 1, 2, unit_rows(2, dtype=np.float16), names(2, 3))
    with pytest.raises(UserError, match="one dimension and dtype"):
        finish(str(tmp_path), 2)
    assert not (tmp_path / "embedding_set.json").exists()
