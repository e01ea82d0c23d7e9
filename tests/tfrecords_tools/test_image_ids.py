import os
import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrecords_tools import image_ids
from tfrecords_tools.errors import UserError


@pytest.mark.parametrize(
    "image_id",
    ["0123456789abcdef", "IMG_0412", "a", "x(1)", "a.b", "#1", "a%20b", "100%", "a;b", "none", "~"],
)
def test_safe(image_id):
    assert image_ids.is_safe(image_id)
    assert image_ids.first_unsafe(np.array([image_id], "S16")) is None


@pytest.mark.parametrize(
    "image_id",
    [
        *("", "a b", "a,b", 'a"b', "a'b", "a/b", "a\\b", "a\nb", "a\tb", ".a", "..", "é", "\x7f"),
        *("a.jpg", "a.jpg.b", "None", "01234567890123456"),
    ],
)
def test_unsafe(image_id):
    assert not image_ids.is_safe(image_id)
    others = [f"{number:016x}" for number in range(3)]
    array = np.array([i.encode("latin-1") for i in [*others, image_id, "also bad"]])
    assert image_ids.first_unsafe(array) == image_id.encode("latin-1")


def test_a_zero_inside_is_found():
    assert image_ids.first_unsafe(np.array([b"ab", b"a\0b"], "S16")) == b"a\0b"


def test_the_refusal_names_the_id():
    with pytest.raises(UserError, match=r"set: expected image ids of 1 to 16 .* found 'a b'; do"):
        image_ids.refuse_unsafe("set", np.array([b"ok", b"a b"]), "do this")


@given(st.lists(st.text(max_size=20), unique=True))
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
