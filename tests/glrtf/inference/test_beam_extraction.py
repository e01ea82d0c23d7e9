import dataclasses
import sys
from pathlib import Path

import pytest
from shard_writing import write_split

from glrtf.commands import embed
from glrtf.config.inference import EmbedConfig
from glrtf.inference import beam_extraction
from tfrecords_tools.errors import UserError


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


@pytest.fixture
def config(saved_model, tmp_path):
    write_split(tmp_path / "data" / "test", (3, 1, 4), split="test")
    output = str(tmp_path / "set")
    return EmbedConfig(saved_model, str(tmp_path / "data"), output, batch_size=4, strategy="cpu")


def test_beam_writes_the_bytes_of_one_machine(config, tmp_path):
    pytest.importorskip("apache_beam", reason="pip install '.[beam]'")
    embed.embed(dataclasses.replace(config, output=str(tmp_path / "expected")))
    settings = {"runner": "beam", "beam_options": ("runner=DirectRunner",)}
    done = embed.embed(dataclasses.replace(config, **settings)).set
    assert done.part_lengths == (3, 1, 4)
    assert contents(tmp_path / "set") == contents(tmp_path / "expected")


def test_a_worker_writes_its_part_alone(config, tmp_path):
    beam_extraction.embed_part(config, 3, 1)
    parts = sorted(path.name for path in (tmp_path / "set").glob("embeddings-*"))
    assert parts == ["embeddings-00001-of-00003.npy"]


def test_without_beam_the_extra_is_named(config, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(UserError, match=r"pip install -c constraints.txt '\.\[beam\]'"):
        embed.embed(dataclasses.replace(config, runner="beam"))
