"""embed --precision bfloat16."""

import json

import numpy as np
import pytest
from shard_writing import write_split

from glrtf.commands import embed
from glrtf.inference.descriptors import runtimes
from glrtf.inference.extraction_plan import PLAN_NAME


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("precision")
    write_split(folder / "test", [3, 2], "test")
    return str(folder)


def run(model, shards, output, *more):
    argv = ["--model", model, "--data", shards, "--output", str(output), "--batch_size", "3"]
    return embed.main([*argv, "--tta", "plain", *more])


@pytest.fixture(scope="module")
def sets(workdir, shards, tmp_path_factory):
    """The same photos embedded in both precisions."""
    from glrtf.embeddings.embedding_set import EmbeddingSet

    folder = tmp_path_factory.mktemp("sets")
    found = {}
    for precision in ("float32", "bfloat16"):
        assert run(workdir, shards, folder / precision, "--precision", precision) == 0
        found[precision] = EmbeddingSet.open(str(folder / precision))
    return found


def test_rows_are_nearly_those_of_float32(sets):
    plain, fast = (np.concatenate([s.part(n)[0] for n in range(2)]) for s in sets.values())
    assert plain.dtype == fast.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(fast, axis=1), 1, atol=1e-5)
    cosines = (plain * fast).sum(axis=1)
    assert cosines.min() > 0.99
    # bfloat16 keeps 8 bits: rows that were computed in float32 would be equal.
    assert np.abs(plain - fast).max() > 1e-5


def test_the_set_says_so_and_is_not_continued_in_another(sets, workdir, shards, capsys):
    assert sets["float32"].meta["precision"] == "float32"
    assert sets["bfloat16"].meta["precision"] == "bfloat16"
    assert sets["bfloat16"].meta["model_digest"] == sets["float32"].meta["model_digest"]
    assert run(workdir, shards, sets["bfloat16"].folder) == 2
    error = capsys.readouterr().err
    assert "an embedding with precision float32, found one with bfloat16" in error


def test_an_export_is_refused_where_the_processor_has_no_bfloat16(
    saved_model, shards, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(runtimes, "has_bfloat16", lambda: False)
    assert run(saved_model, shards, tmp_path / "out", "--precision", "bfloat16") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "computes in float32" in line
    assert not (tmp_path / "out").exists()


def test_an_embedding_that_an_earlier_version_began_goes_on(saved_model, shards, tmp_path):
    assert run(saved_model, shards, tmp_path / "out") == 0
    plan = tmp_path / "out" / PLAN_NAME
    values = json.loads(plan.read_text())
    for name in ("max_side", "antialias", "precision", "json_crc32c"):
        values.pop(name, None)
    plan.write_text(json.dumps(values))
    assert run(saved_model, shards, tmp_path / "out") == 0
