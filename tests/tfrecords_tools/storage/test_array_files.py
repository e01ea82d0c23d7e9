import io
import pickle

import numpy as np
import pytest

from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import array_files


def test_an_archive_is_read_whole(tmp_path):
    path = str(tmp_path / "a.npz")
    np.savez(path, one=np.arange(3), two=np.zeros((2, 0)))
    found = array_files.load_archive(path, "numbers")
    assert found["one"].tolist() == [0, 1, 2] and found["two"].shape == (2, 0)


def _single_array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(3))
    return buffer.getvalue()


def _pickled_inside() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, one=np.array([{}], dtype=object))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", _single_array(), pickle.dumps({"one": 1}), _pickled_inside()]
)
def test_no_archive_is_one_line(tmp_path, content):
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.npz: expected an \.npz file of numbers \(") as error:
        array_files.load_archive(str(path), "numbers")
    assert "\n" not in str(error.value)


def test_a_missing_archive(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        array_files.load_archive(str(tmp_path / "none.npz"), "numbers")


def test_what_is_saved_is_what_numpy_saves(tmp_path):
    array = np.arange(12, dtype=np.float16).reshape(3, 4)
    array_files.save(str(tmp_path / "ours.npy"), array)
    np.save(tmp_path / "theirs.npy", array)
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "theirs.npy").read_bytes()


@pytest.mark.parametrize("shape", [(3, 2), (0, 2)])
def test_a_created_array_is_written_to(tmp_path, shape):
    array = array_files.create(str(tmp_path / "a.npy"), np.dtype(np.int64), shape)
    array[:] = 7
    array.flush()
    assert np.array_equal(np.load(tmp_path / "a.npy"), np.full(shape, 7))
    # Not a sparse file: every block is there.
    stat = (tmp_path / "a.npy").stat()
    assert stat.st_blocks * 512 >= stat.st_size


def test_other_mistakes_come_through():
    with pytest.raises(ZeroDivisionError), array_files.damage_as("a.npy: damaged"):
        1 / 0  # noqa: B018
    with pytest.raises(UserError, match="mine"), array_files.damage_as("a.npy: damaged"):
        raise UserError("mine")


@pytest.mark.parametrize("kind", [AttributeError, TypeError, MemoryError])
def test_mistakes_in_the_code_are_not_taken_for_damage(kind):
    with pytest.raises(kind), array_files.damage_as("a.npy: damaged"):
        raise kind


def test_an_array_is_compared_with_its_checksum_before_it_is_parsed(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, a=np.arange(9.0))
    data = bytearray(path.read_bytes())
    place = data.index(b"descr")  # In the header of the array, not in the archive's own.
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"a\.npy does not match its checksum"):
        array_files.load_archive(str(path), "weights")
