import os
import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrecords_tools import image_ids
from tfrecords_tools.errors import UserError

# All that UTF-8 encodes; hypothesis takes seconds to list a codec's characters.
CHARACTERS = st.characters(exclude_categories=["Cs"])
SAFE = st.text(CHARACTERS, min_size=1, max_size=30).filter(image_ids.is_safe)


@pytest.mark.parametrize(
    "image_id",
    [
        *("0123456789abcdef", "IMG_0412", "a", "x(1)", "#1", "a%20b", "a;b", "~", "None"),
        *("a b", "a,b", 'a"b', "a'b", "a/b.jpg", "a\\b", "..", "é", "日本", "x" * 255, "é" * 127),
    ],
)
def test_safe(image_id):
    assert image_ids.is_safe(image_id)
    assert image_ids.first_unsafe(np.array([image_id.encode()])) is None
    assert image_ids.first_unsafe(np.array([image_id.encode()], object)) is None


@pytest.mark.parametrize(
    "image_id",
    ["", " a", "a ", "\u3000a", "a\nb", "a\tb", "\x7f", "a\x85b", "a\u2028b", "x" * 256, "é" * 128],
)
def test_unsafe(image_id):
    assert not image_ids.is_safe(image_id)
    others = [f"{number:016x}" for number in range(3)]
    encoded = [i.encode() for i in [*others, image_id, "\t"]]
    assert image_ids.first_unsafe(np.array(encoded)) == image_id.encode()
    assert image_ids.first_unsafe(np.array(encoded, object)) == image_id.encode()


@pytest.mark.parametrize("code", [b"caf\xe9", b"a\0"])
def test_bytes_that_are_no_text(code):
    assert image_ids.first_unsafe(np.array([b"ab", code], object)) == code


def test_a_zero_inside_is_found():
    assert image_ids.first_unsafe(np.array([b"ab", b"a\0b"], "S16")) == b"a\0b"


def test_the_refusal_names_the_id():
    with pytest.raises(
        UserError, match=r"set: expected image ids of 1 to 255 .* found 'a\\tb'; do"
    ):
        image_ids.refuse_unsafe("set", np.array([b"ok", b"a\tb"]), "do this")
    with pytest.raises(UserError, match=r"found 'x{40}… \(300 bytes\)'"):
        image_ids.refuse_unsafe("set", np.array([b"x" * 300]), "do this")


@given(st.lists(SAFE))
def test_lists_are_read_as_they_were_written(ids):
    text = image_ids.join_list(ids)
    assert image_ids.split_list(text) == ids
    quoted = [image_id for image_id in ids if image_ids.quoted(image_id) != image_id]
    assert image_ids.needs_quotes(np.array([i.encode() for i in ids], np.bytes_)) == bool(quoted)
    assert [image_id for image_id in ids if image_id not in quoted] == image_ids.bare_words(text)


def test_lists():
    assert image_ids.join_list(["0a", "x;y", "é"]) == "0a x;y é"
    assert image_ids.join_list(["a b", 'c"', "None"]) == '"a b" "c""" "None"'
    # The list signs of other programs stay in the words, where they are noticed.
    assert image_ids.bare_words('"a", "b"') == ['"a",']
    assert image_ids.bare_words("['a', 'b']") == ["['a',", "'b']"]


@given(st.lists(st.text(CHARACTERS, max_size=20), unique=True))
def test_file_names_differ_and_stay_in_their_folder(ids):
    ids = [i for i in ids if i.isprintable()]
    names = [image_ids.file_name(image_id) for image_id in ids]
    assert len(set(names)) == len(ids)
    plain = set(string.ascii_letters + string.digits + "_-~")
    assert all(set(name) <= plain for name in names)
    assert all(os.path.normpath(f"folder/{name}.jpg") == f"folder/{name}.jpg" for name in names)


def test_usual_ids_are_their_own_file_names():
    assert image_ids.file_name("0123456789abcdef") == "0123456789abcdef"
    # "." is 2e, "/" is 2f.
    assert image_ids.file_name("../a") == "~2e~2e~2fa"


def test_paths_are_no_stems():
    stems = ["a", "a b", "é.x", "../a", "a/b", "a\\b", ".a", "..", ""]
    assert [one for one in stems if image_ids.can_be_stem(one)] == ["a", "a b", "é.x"]
