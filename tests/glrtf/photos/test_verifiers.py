"""Verifiers by name, with photos from tars and folders, from the command line."""

import json
from pathlib import Path

import pytest
import retrieval_files
import retrieval_worlds as worlds

import glrtf
from glrtf.commands import retrieve
from glrtf.config.retrieval import RetrieveConfig
from glrtf.photos.verifiers import FoundPhotos, verifier_of
from tfrecords_tools.errors import UserError

CODE = """
def last_first(query_id, ids, *paths):
    return list(range(len(ids)))

number = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of this test's own, in the current folder."""
    (tmp_path / "own_verifier.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "own_verifier:last_first"
    __import__("sys").modules.pop("own_verifier", None)


def test_photos_in_tars_are_files_while_they_are_read(tmp_path):
    retrieval_files.write_source(tmp_path)
    query, a, x = retrieval_files.QUERY_IDS[0], retrieval_files.B, retrieval_files.X
    folder = tmp_path / "index" / x[0] / x[1] / x[2]
    folder.mkdir(parents=True)
    (folder / f"{x}.jpg").write_bytes(b"of its own")
    photos = FoundPhotos(str(tmp_path))
    photos.find([query, a, x])
    with photos.paths([query, a, x, a]) as paths:
        contents = [Path(path).read_bytes() for path in paths]
        assert contents[0][:2] == contents[1][:2] == b"\xff\xd8"
        assert contents[1] == contents[3] != contents[0]
        assert contents[2] == b"of its own"
    assert not Path(paths[0]).exists()
    assert Path(paths[2]).exists()


def test_a_missing_photo_is_named(tmp_path):
    retrieval_files.write_source(tmp_path)
    message = "expected the photos of all 2 images to verify, found none of 1, the first ffff"
    with pytest.raises(UserError, match=message):
        FoundPhotos(str(tmp_path)).find([retrieval_files.A, 16 * "f"])


def settings(**more):
    return RetrieveConfig(query=["q"], index=["i"], output="o", preset="direct", **more)


def test_names_that_are_no_function(module):
    assert verifier_of(settings()) is None
    with pytest.raises(ValueError, match=r"verifier: expected package\.module:function, found"):
        settings(verifier="own_verifier.last_first")
    with pytest.raises(UserError, match="expected a function number in own_verifier"):
        verifier_of(settings(verifier="own_verifier:number"))
    with pytest.raises(UserError, match=r"^--verifier_images: expected a --verifier that reads"):
        verifier_of(settings(verifier_images="photos"))
    with pytest.raises(UserError, match=r"photos: no such folder"):
        verifier_of(settings(verifier=module, verifier_images="photos"))


def test_from_the_command_line(tmp_path, module, capsys):
    world = worlds.make_world(tmp_path / "world", test=6, index=30, train=60, train_parts=2)
    flags = ["--verifier", module, "--verifier_top", "4"]

    def ranked(name, *more):
        assert retrieve.main(world.arguments("--output", tmp_path / name, *more)) == 0
        lines = (tmp_path / name / "submission.csv").read_text().splitlines()[1:]
        return [line.split(",")[1].split() for line in lines]

    plain, verified = ranked("plain"), ranked("verified", *flags)
    assert verified == [[*images[3::-1], *images[4:]] for images in plain]
    assert ranked("verified", *flags) == verified
    description = json.loads((tmp_path / "verified" / "retrieval.json").read_text())
    assert description["parameters"]["verifier"] == module
    assert "verification" in description["seconds"]
    # A settings file may have come from anywhere: it runs no code.
    (tmp_path / "s.yaml").write_text(f"verifier: {module}\n")
    arguments = world.arguments("--output", tmp_path / "x", "--config", tmp_path / "s.yaml")
    assert retrieve.main(arguments) == 2
    assert "s.yaml: verifier: expected no function in a settings file" in capsys.readouterr().err


def test_from_python(tmp_path):
    world = worlds.make_world(tmp_path / "world", test=3, index=20, train=60, train_parts=2)
    sets = [glrtf.open_set(str(world.folder / split)) for split in ("test", "index")]
    plain = glrtf.rank(*sets).ids
    verified = glrtf.rank(*sets, verifier=lambda query, ids: list(range(len(ids)))).ids
    assert verified == {query: images[::-1] for query, images in plain.items()}
