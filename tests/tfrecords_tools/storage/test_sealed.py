import pytest

from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import sealed

_TEXT = "size: 640\nhead: arcface\nnote: Ætna\n"


def test_what_was_sealed_is_sound_and_still_yaml():
    data = sealed.seal(_TEXT)
    sealed.check(data, "config.yaml")
    assert data.startswith(b"# ") and data.endswith(_TEXT.encode())


def test_no_change_below_the_first_line_is_taken():
    data = sealed.seal(_TEXT)
    start = data.index(b"\n") + 1
    for bit in range(start * 8, len(data) * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(UserError, match=r"config\.yaml: damaged"):
            sealed.check(bytes(changed), "config.yaml")


def test_no_cut_is_taken():
    data = sealed.seal(_TEXT)
    for length in range(len(data)):
        with pytest.raises(UserError, match=r"config\.yaml: (damaged|expected settings)"):
            sealed.check(data[:length], "config.yaml")


def test_a_file_without_a_seal_is_taken_as_it_is():
    sealed.check(_TEXT.encode(), "config.yaml")
    sealed.check(b"# my own\n" + _TEXT.encode(), "config.yaml")
