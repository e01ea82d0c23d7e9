"""embed compares rows in reduced precision with rows in float32."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_descriptors
from shard_writing import describe_again, write_shard, write_split

from glrtf.data.input_spec import InputSpec
from glrtf.data.shards import open_shards
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.inference import extraction
from glrtf.inference.embedder import Embedder
from glrtf.inference.extraction_plan import PLAN_NAME
from glrtf.inference.host_views import HostRunner
from glrtf.inference.jobs import Job
from glrtf.inference.precision_check import KEY, NUM_PHOTOS
from tfrecords_tools import schema
from tfrecords_tools.errors import UserError

VIEWS = ("plain",)
# Rows are turned by an angle of this cosine, about the axis of their first two numbers.
COSINE = 0.99857


def exact_rows(images):
    """Rows (n, 3) of length 1 in the plane of the first two numbers."""
    red = images[..., 0].mean((1, 2)) / 255
    return np.stack([np.cos(red), np.sin(red), 0 * red], 1).astype(np.float32)


def job(folder, *, turned_from=0, cosine=COSINE):
    """A model whose rows in bfloat16 are turned from that photo on; in_float32 is counted."""
    seen = []

    def fast(images):
        rows = exact_rows(images).astype(np.float64)
        sine = np.sqrt(1 - cosine**2)
        turned = rows @ np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])
        first = sum(seen)
        seen.append(len(rows))
        late = first + np.arange(len(rows)) >= turned_from
        return np.where(late[:, None], turned, rows).astype(np.float32)

    exact = Embedder(
        *("tiny", InputSpec(16), 3, "digest", exact_rows, None), runtime="openvino", in_graph=False
    )
    reduced = replace(exact, embed=fast, precision="bfloat16")
    loads = []

    def load():
        loads.append(1)
        return Job(exact, HostRunner(exact, VIEWS, 4), str(folder))

    made = Job(reduced, HostRunner(reduced, VIEWS, 4), str(folder), load)
    return made, loads


def embed(made, shards, **settings):
    settings = {"views": VIEWS, "min_cosine": 0.998, **settings}
    return extraction.embed_split([made], open_shards(str(shards), "test"), **settings)


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_split(folder / "test", [3, 4, 2], split="test")
    return folder / "test"


def test_the_smallest_cosine_is_printed_and_recorded(shards, tmp_path, capsys):
    made, loads = job(tmp_path / "set")
    [done] = embed(made, shards)
    # Rounded down from 0.99857; nine photos are fewer than 64.
    assert done.meta[KEY] == {"photos": 9, "smallest_cosine": 0.9985}
    assert "rows of the first 9 photos in bfloat16" in capsys.readouterr().err
    assert len(loads) == 1
    exact = replace(made, embedder=load_exact(made), in_float32=None)
    [plain] = embed(replace(exact, folder=str(tmp_path / "plain")), shards)
    assert KEY not in plain.meta


def load_exact(made):
    return made.in_float32().embedder


def test_rows_too_far_from_float32_stop_the_command_and_leave_the_folder(shards, tmp_path):
    # Only the last photo differs, which is in the third shard.
    made, _ = job(tmp_path / "set", turned_from=8, cosine=0.90005)
    with pytest.raises(UserError) as caught:
        embed(made, shards)
    assert str(caught.value) == (
        "tiny: --precision bfloat16: expected rows with a cosine of at least 0.998 to those in"
        " float32 (--min_cosine), found 0.9 among the first 9 photos of test; leave --precision"
        " out, or allow it with a lower --min_cosine"
    )
    assert not (tmp_path / "set").exists()
    # In float32 the folder can be used.
    exact = made.in_float32()
    assert embed(exact, shards)[0].num_rows == 9
    made, loads = job(tmp_path / "allowed", cosine=0.90005)
    assert embed(made, shards, min_cosine=0.85)[0].meta[KEY]["smallest_cosine"] == 0.9
    made, loads = job(tmp_path / "unchecked", cosine=0.90005)
    assert KEY not in embed(made, shards, min_cosine=0.0)[0].meta
    assert not loads


def test_rows_that_are_not_numbers_fail(shards, tmp_path):
    made, _ = job(tmp_path / "set", cosine=float("nan"))
    with pytest.raises(UserError, match="found nan among"):
        embed(made, shards)


def test_only_the_first_photos_are_compared(tmp_path):
    write_split(tmp_path / "data" / "test", [NUM_PHOTOS - 1, 3], split="test")
    made, _ = job(tmp_path / "set", turned_from=NUM_PHOTOS, cosine=0.90005)
    [done] = embed(made, tmp_path / "data" / "test")
    assert done.meta[KEY] == {"photos": NUM_PHOTOS, "smallest_cosine": 1.0}


def test_a_resumed_run_and_other_tasks_use_the_recorded_result(shards, tmp_path):
    whole = tmp_path / "whole"
    embed(job(whole)[0], shards)
    parts = tmp_path / "parts"
    for task, count in ((1, 1), (0, 0)):
        made, loads = job(parts)
        embed(made, shards, task_index=task, num_tasks=2)
        assert len(loads) == count
    assert contents(parts) == contents(whole)
    # Finished: nothing is loaded, and nothing changes.
    made, loads = job(parts)
    embed(made, shards)
    assert not loads
    assert contents(parts) == contents(whole)
    with pytest.raises(UserError, match=r"at least 0.999 .*found 0.9985"):
        embed(job(parts)[0], shards, min_cosine=0.999)


def test_an_embedding_without_the_check_is_checked_when_it_is_continued(shards, tmp_path):
    folder = tmp_path / "set"
    embed(job(folder)[0], shards, min_cosine=0.0, num_tasks=2)
    assert KEY not in json.loads((folder / PLAN_NAME).read_text())
    made, loads = job(folder)
    [done] = embed(made, shards)
    assert len(loads) == 1
    assert done.meta[KEY]["smallest_cosine"] == 0.9985
    assert json.loads((folder / PLAN_NAME).read_text())[KEY] == done.meta[KEY]
    # With all its parts it stays as it was made.
    other = tmp_path / "other"
    embed(job(other)[0], shards, min_cosine=0.0)
    before = contents(other)
    made, loads = job(other)
    embed(made, shards)
    assert not loads
    assert contents(other) == before


def test_a_split_without_a_readable_photo_has_no_result(tmp_path):
    data = write_split(tmp_path / "data" / "test", [1], split="test")
    broken = schema.encode_example(b"not a photo", "00000000deadbeef", -1, -1, 1, 1)
    write_shard(data / "test-00000-of-00001.tfrecord", [broken])
    describe_again(data)
    [done] = embed(job(tmp_path / "set")[0], data)
    assert done.num_rows == 0
    assert KEY not in done.meta


def test_openvino_is_compared_with_openvino(shards, tmp_path, monkeypatch):
    pytest.importorskip("openvino", reason="pip install '.[openvino]'")
    pytest.importorskip("onnx", reason="pip install '.[onnx]'")
    from glrtf.commands import embed as command
    from glrtf.inference.descriptors import openvino_models, runtimes

    monkeypatch.setattr(runtimes, "has_bfloat16", lambda: True)
    real = openvino_models.compiled
    asked = []
    monkeypatch.setattr(
        openvino_models, "compiled", lambda model, how: asked.append(how) or real(model, "float32")
    )
    model = tiny_descriptors.write_onnx(tmp_path / "mean.onnx")
    output = tmp_path / "set"
    argv = ["--model", model, "--data", str(shards), "--output", str(output)]
    argv += ["--precision", "bfloat16", "--descriptor.range", "0..1"]
    assert command.main(argv) == 0
    assert asked == ["bfloat16", "float32"]
    assert EmbeddingSet.open(output).meta[KEY] == {"photos": 9, "smallest_cosine": 1.0}
    assert command.main([*argv, "--min_cosine", "1.5"]) == 2
