import os
import subprocess
import sys

import pytest

from tfrecords_tools.command import expected
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import folders


def _fill(folder, text):
    with folders.atomic_folder(str(folder)) as lent:
        (type(folder)(lent) / "file").write_text(text)


def _names(folder):
    return sorted(os.listdir(folder))


def test_a_folder_appears_whole_and_replaces_the_old_one(tmp_path):
    for text in ("one", "two"):
        _fill(tmp_path / "model", text)
        assert (tmp_path / "model" / "file").read_text() == text
        assert _names(tmp_path) == ["model"]


def test_a_folder_is_replaced_where_names_cannot_be_swapped(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "_exchange", lambda one, other: False)
    for text in ("one", "two"):
        _fill(tmp_path / "model", text)
    assert (tmp_path / "model" / "file").read_text() == "two"
    assert _names(tmp_path) == ["model"]


def test_an_exception_leaves_nothing_and_keeps_what_stood_there(tmp_path):
    _fill(tmp_path / "model", "one")
    with pytest.raises(RuntimeError), folders.atomic_folder(str(tmp_path / "model")) as lent:
        (type(tmp_path)(lent) / "file").write_text("two")
        raise RuntimeError
    assert (tmp_path / "model" / "file").read_text() == "one"
    assert _names(tmp_path) == ["model"]


_KILLED_INSIDE = """
import os, signal, sys
from tfrecords_tools.storage import folders
with folders.atomic_folder(sys.argv[1]) as lent:
    open(os.path.join(lent, "half"), "w").close()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("kind", ["a file", "a link to nothing"])
def test_what_is_no_folder_is_refused_before_any_work(tmp_path, kind):
    path = tmp_path / "out"
    if kind == "a file":
        path.write_text("notes")
    else:
        path.symlink_to(tmp_path / "nowhere")
    for refusing in (
        lambda: folders.atomic_folder(str(path)).__enter__(),
        lambda: expected.new_folder("--output", str(path)),
    ):
        with pytest.raises(UserError, match=f"out: expected a folder to write to, found {kind}$"):
            refusing()
    assert os.listdir(tmp_path) == ["out"]


def test_what_a_killed_process_left_is_cleared_and_what_lives_is_not(tmp_path):
    model = str(tmp_path / "model")
    subprocess.run([sys.executable, "-c", _KILLED_INSIDE, model], check=False)
    (left,) = _names(tmp_path)
    assert left.startswith(".model.") and left.endswith(".partial")
    with folders.atomic_folder(model) as lent:
        assert _names(tmp_path) == [os.path.basename(lent)]
        _fill(tmp_path / "model", "by another")
        assert os.path.isdir(lent)


def test_a_changed_or_missing_file_is_named(tmp_path):
    _fill(tmp_path / "model", "one")
    model = str(tmp_path / "model")
    known = folders.digests(model)
    (tmp_path / "model" / "neighbor").write_text("ignored")
    folders.verify(model, known)
    assert "neighbor" not in folders.digests(model, without="neighbor")
    (tmp_path / "model" / "file").write_text("two")
    with pytest.raises(UserError, match=r"model/file: changed since it was written"):
        folders.verify(model, known)
    (tmp_path / "model" / "file").unlink()
    with pytest.raises(UserError, match=r"model/file: no such file"):
        folders.verify(model, known)
