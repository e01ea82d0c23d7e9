"""Images that end the process which decodes them."""

import csv
from pathlib import Path

import pytest
from building import build_train, shards
from tiny_gldv2 import image_id, jpeg, member, write_md5, write_tar, write_train

from tfrecords_tools import inspect_apart, runners
from tfrecords_tools.errors import UserError

# Workers import this before the real one: it dies of what a decoder in C may die of.
_DECODER = """
import importlib.machinery, importlib.util, os, signal, sys

here = os.path.dirname(os.path.abspath(__file__))
paths = [path for path in sys.path if os.path.abspath(path) != here]
spec = importlib.machinery.PathFinder.find_spec("simplejpeg", paths)
real = importlib.util.module_from_spec(spec)
sys.modules["simplejpeg"] = real
spec.loader.exec_module(real)
decode = real.decode_jpeg

def decode_jpeg(data, *arguments, **settings):
    if b"SIGNAL " in data:
        place = data.index(b"SIGNAL ") + 7
        os.kill(os.getpid(), int(data[place:place + 2]))
    return decode(data, *arguments, **settings)

real.decode_jpeg = decode_jpeg
"""


@pytest.fixture
def deadly_decoder(tmp_path, monkeypatch):
    folder = tmp_path / "decoder"
    folder.mkdir()
    (folder / "simplejpeg.py").write_text(_DECODER)
    monkeypatch.syspath_prepend(folder)
    # Children that earlier tests left would decode without it, and later tests with it.
    inspect_apart.close()
    yield
    inspect_apart.close()


def _source(root: Path, deadly: dict[int, int]) -> Path:
    """24 images; those of the numbers given end their decoder by a signal."""
    write_train(root, num_tars=1)
    members = [
        (member(image_id(n)), jpeg(n, comment=f"SIGNAL {deadly[n]:02d}" if n in deadly else ""))
        for n in range(24)
    ]
    write_tar(root / "train" / "images_000.tar", members)
    write_md5(root, "train", 0)
    return root


def _rejects(output: Path) -> list[list[str]]:
    with (output / "train" / "rejects.csv").open() as file:
        return list(csv.reader(file))[1:]


@pytest.mark.parametrize(
    ("small", "workers"),
    [(64 << 20, None), (64 << 20, 1), (0, 1), (0, 2)],
    ids=["small", "workers 1", "large, workers 1", "workers 2"],
)
def test_the_build_goes_on_without_an_image_that_ends_its_decoder(
    tmp_path, deadly_decoder, small, workers, capfd, monkeypatch
):
    monkeypatch.setattr(runners, "_SMALL", small)
    source = _source(tmp_path / "gldv2", {5: 11, 17: 6})
    info = build_train(source, tmp_path / "out", workers=workers)
    assert info.counts["rejected"] == 2
    assert info.num_examples == 22
    assert _rejects(tmp_path / "out") == sorted(
        [
            [image_id(5), "ends the decoder (SIGSEGV)"],
            [image_id(17), "ends the decoder (SIGABRT)"],
        ]
    )
    error = capfd.readouterr().err
    assert f"images_000.tar: image {image_id(5)}: ends the decoder (SIGSEGV)" in error
    assert "Traceback" not in error


def test_a_beam_worker_survives_an_image_that_ends_its_decoder(tmp_path, deadly_decoder):
    pytest.importorskip("apache_beam")
    source = _source(tmp_path / "gldv2", {5: 11})
    info = build_train(source, tmp_path / "out", workers=None, runner="beam")
    assert info.num_examples == 23
    assert _rejects(tmp_path / "out") == [[image_id(5), "ends the decoder (SIGSEGV)"]]


def test_without_workers_a_decoder_killed_from_outside_is_tried_twice(
    tmp_path, deadly_decoder, capfd
):
    source = _source(tmp_path / "gldv2", {5: 9})
    with pytest.raises(UserError, match=rf"image {image_id(5)}: its decoder was killed twice"):
        build_train(source, tmp_path / "out")
    assert "rejected" not in capfd.readouterr().err


def test_the_shards_are_those_of_a_source_where_it_is_damaged(
    tmp_path, deadly_decoder, monkeypatch
):
    monkeypatch.setattr(runners, "count_workers", lambda *_: 2)
    build_train(_source(tmp_path / "deadly", {5: 11}), tmp_path / "one", workers=None)
    sound = _source(tmp_path / "sound", {})
    broken = jpeg(5)[:-2]
    members = [(member(image_id(n)), broken if n == 5 else jpeg(n, comment="")) for n in range(24)]
    write_tar(sound / "train" / "images_000.tar", members)
    write_md5(sound, "train", 0)
    build_train(sound, tmp_path / "two", workers=None)
    assert shards(tmp_path / "one") == shards(tmp_path / "two")


def test_a_worker_that_no_image_ends_is_an_error_that_says_where(
    tmp_path, deadly_decoder, monkeypatch
):
    # Killed once, as by a system short of memory: alone the image is survived.
    text = _DECODER.replace("os.kill(", f"os.path.exists({str(tmp_path / 'once')!r}) or kill(")
    text = text.replace(
        "decode = real",
        f"""
def kill(*arguments):
    open({str(tmp_path / "once")!r}, "w").close()
    os.kill(*arguments)

decode = real""",
    )
    (tmp_path / "decoder" / "simplejpeg.py").write_text(text)
    monkeypatch.setattr(runners, "count_workers", lambda *_: 2)
    source = _source(tmp_path / "gldv2", {5: 9})
    with pytest.raises(UserError, match=rf"a worker process was killed.*{image_id(5)}"):
        build_train(source, tmp_path / "out", workers=None)
    assert build_train(source, tmp_path / "out", workers=None).num_examples == 24
