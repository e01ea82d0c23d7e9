"""Sets that are changed, compared with sets made at once of the rows that they should have."""

import json
import os
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glrtf.embeddings import versions
from glrtf.embeddings.embedding_set import EmbeddingSet, finish, write_part
from glrtf.embeddings.rows import normalized
from glrtf.retrieval.search import exact
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, temporary_files

META = {"model": "m", "size": 128, "tta": ["plain"]}
ROWS = normalized(np.random.default_rng(7).normal(size=(64, 8))).astype(np.float32)


def names(numbers):
    return np.array([f"{number:016x}" for number in numbers], "S16")


def write_set(folder, numbers, parts=1, meta=META, rows=ROWS):
    """A set of the images of those numbers, cut into parts as evenly as it goes."""
    for part, chunk in enumerate(np.array_split(np.array(numbers, int), parts)):
        write_part(str(folder), part, parts, rows[chunk], names(chunk))
    return finish(str(folder), parts, **meta)


def content(opened):
    rows = [opened.read(part, 0, length) for part, length in enumerate(opened.part_lengths)]
    return opened.ids.tolist(), np.concatenate(rows).tolist()


def expect_same(opened, folder, numbers):
    """The set has those images in that order, whichever way it is read and searched."""
    made = write_set(folder, numbers)
    assert content(opened) == content(made)
    order = np.random.default_rng(1).permutation(len(numbers))
    np.testing.assert_array_equal(opened.take(order), made.take(order))
    found, expected = (exact.search(made, one, 5) for one in (opened, made))
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.scores, expected.scores)
    for part, length in enumerate(opened.part_lengths):
        rows, ids = opened.part(part)
        assert len(rows) == len(ids) == length
        every = np.arange(length)
        np.testing.assert_array_equal(opened.gather(part, every), rows.astype(np.float64))


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["add", "replace", "remove", "compact"]),
        st.lists(st.integers(0, 63), min_size=1, max_size=12, unique=True),
    ),
    min_size=1,
    max_size=5,
)


@settings(deadline=None, max_examples=12)
@given(CHANGES)
def test_changes_in_any_order_give_the_set_made_at_once(tmp_path_factory, changes):
    folder = tmp_path_factory.mktemp("versions")
    now = [40, 3, 17, 5, 60, 21, 9]
    opened = write_set(folder / "set", now, parts=3)
    for step, (kind, numbers) in enumerate(changes):
        if kind in ("add", "replace"):
            added = write_set(folder / f"add{step}", numbers, parts=2)
            existing = "skip" if kind == "add" else "replace"
            opened = versions.add(opened.folder, added, existing).set
            if kind == "replace":
                now = [one for one in now if one not in numbers] + numbers
            else:
                now = now + [one for one in numbers if one not in now]
        elif kind == "compact":
            opened = versions.compact(opened.folder).set
        elif set(now) - set(numbers):
            opened = versions.remove(opened.folder, names(numbers), ignore_unknown=True).set
            now = [one for one in now if one not in numbers]
    expect_same(EmbeddingSet.open(opened.folder, "always"), folder / "made", now)


def test_the_rows_of_the_old_version_stay_where_they_are(tmp_path):
    before = write_set(tmp_path / "set", [1, 2, 3, 4], parts=2)
    stored = {path.name: path.read_bytes() for path in (tmp_path / "set").glob("*.npy")}
    done = versions.add(before.folder, write_set(tmp_path / "new", [5, 2]))
    assert (done.added, done.removed, done.skipped) == (1, 0, 1)
    done = versions.remove(before.folder, names([3]))
    assert (done.added, done.removed, done.skipped) == (0, 1, 0)
    for name, data in stored.items():
        assert (tmp_path / "set" / name).read_bytes() == data
    # A process that has opened the first version goes on reading it.
    assert content(before) == content(write_set(tmp_path / "same", [1, 2, 3, 4]))
    digests = {before.digest, done.set.digest, write_set(tmp_path / "other", [1, 2]).digest}
    assert len(digests) == 3 and done.set.generation == 2


def test_a_compacted_set_is_the_one_made_at_once(tmp_path):
    write_set(tmp_path / "set", [1, 2, 3, 4], parts=2)
    versions.add(str(tmp_path / "set"), write_set(tmp_path / "new", [5, 6]))
    versions.remove(str(tmp_path / "set"), names([2]))
    done = versions.compact(str(tmp_path / "set")).set
    made = write_set(tmp_path / "made", [1, 3, 4, 5, 6])
    assert done.digest == made.digest
    for kind in ("embeddings", "ids"):
        [ours], [theirs] = ((tmp_path / s).glob(f"{kind}-*.npy") for s in ("set", "made"))
        assert ours.read_bytes() == theirs.read_bytes()


class KilledError(BaseException):
    """Stands for SIGKILL: nothing after it runs that would clean up."""


def change(kind, folder, tmp_path):
    if kind == "compact":
        return versions.compact(folder)
    if kind == "remove":
        return versions.remove(folder, names([3, 4]), ignore_unknown=True)
    return versions.add(folder, EmbeddingSet.open(tmp_path / "new"), kind)


@pytest.mark.parametrize("kind", ["skip", "replace", "remove", "compact"])
def test_a_kill_at_any_step_leaves_the_old_version_or_the_new(tmp_path, monkeypatch, kind):
    write_set(tmp_path / "start", [1, 2, 3, 4], parts=2)
    write_set(tmp_path / "new", [7, 3, 8, 9], parts=2)
    versions.remove(str(tmp_path / "start"), names([2]))
    before = content(EmbeddingSet.open(tmp_path / "start"))
    shutil.copytree(tmp_path / "start", tmp_path / "undisturbed")
    after = content(change(kind, str(tmp_path / "undisturbed"), tmp_path).set)
    steps, seen = 0, set()
    move, delete = temporary_files.move_in_place, files.delete
    while True:
        left = [steps]

        def counted(function, *arguments, left=left):
            left[0] -= 1
            if left[0] == -1:
                raise KilledError
            function(*arguments)
            if left[0] == 0:
                left[0] = -2
                raise KilledError

        folder = tmp_path / f"kill{steps}"
        shutil.copytree(tmp_path / "start", folder)
        with monkeypatch.context() as patched:
            patched.setattr(temporary_files, "move_in_place", lambda *a, c=counted: c(move, *a))
            patched.setattr(files, "delete", lambda *a, c=counted: c(delete, *a))
            try:
                change(kind, str(folder), tmp_path)
                killed = False
            except KilledError:
                killed = True
        found = content(EmbeddingSet.open(folder, "always"))
        assert found in (before, after)
        seen.add(found == after)
        assert content(change(kind, str(folder), tmp_path).set) == after
        if not killed:
            break
        steps += 1
    assert steps >= 2 and found == after
    assert seen == {True} if before == after else seen == {True, False}


def test_two_commands_do_not_change_a_set_at_once(tmp_path):
    write_set(tmp_path / "set", [1, 2])
    with versions._changing(str(tmp_path / "set")), pytest.raises(UserError, match="one running"):
        versions.remove(str(tmp_path / "set"), names([1]))


def test_rows_made_otherwise_are_refused(tmp_path):
    folder = write_set(tmp_path / "set", [1, 2]).folder
    other = write_set(tmp_path / "model", [3], meta={**META, "model": "n"})
    with pytest.raises(UserError, match="another model"):
        versions.add(folder, other)
    other = write_set(tmp_path / "size", [3], meta={**META, "size": 64})
    with pytest.raises(UserError, match="size 128"):
        versions.add(folder, other)
    other = write_set(tmp_path / "narrow", [3], rows=normalized(ROWS[:, :4]))
    with pytest.raises(UserError, match=r"dimension 8 .* found 4"):
        versions.add(folder, other)
    with pytest.raises(UserError, match=r"found 1 in it \(0000000000000002\)"):
        versions.add(folder, write_set(tmp_path / "known", [2, 3]), "error")
    with pytest.raises(UserError, match="found 2 not in it"):
        versions.remove(folder, names([1, 8, 9]))
    with pytest.raises(UserError, match="found all 2 named"):
        versions.remove(folder, names([1, 2]))
    assert EmbeddingSet.open(folder).generation == 0


def test_a_changed_set_is_not_made_again(tmp_path):
    versions.remove(write_set(tmp_path / "set", [1, 2]).folder, names([1]))
    with pytest.raises(UserError, match="`glrtf index remove` has changed"):
        finish(str(tmp_path / "set"), 1)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("file", "../../x", "expected a file such as"),
        ("removed", [1, 0], "expected removed rows from 0 to 1"),
        ("removed", [2], "expected removed rows from 0 to 1"),
        ("removed", ["1"], "expected an integer"),
    ],
)
def test_impossible_parts_are_refused(tmp_path, key, value, message):
    versions.remove(write_set(tmp_path / "set", [1, 2]).folder, names([1]))
    path = tmp_path / "set" / "embedding_set.json"
    info = json.loads(path.read_text())
    info["parts"][0][key] = value
    del info[files.SEAL]
    path.write_text(json.dumps(info))
    with pytest.raises(UserError, match=message):
        EmbeddingSet.open(os.fspath(tmp_path / "set"))
