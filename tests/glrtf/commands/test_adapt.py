import json

import numpy as np
import pytest
from tuning_files import write_inputs

from glrtf.commands import adapt, retrieve
from glrtf.embeddings import adapter
from glrtf.embeddings.embedding_set import EmbeddingSet


@pytest.fixture
def flags(tmp_path):
    write_inputs(tmp_path)
    sets = {"train": "train", "query": "test", "index": "index", "output": "out"}
    named = [text for flag, name in sets.items() for text in (f"--{flag}", str(tmp_path / name))]
    return [*named, "--landmarks", str(tmp_path / "train.csv"), "--epochs", "2"]


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_an_adapter_is_trained_once_measured_and_applied(flags, tmp_path, capsys):
    assert adapt.main([*flags, "--dimension", "6"]) == 0
    out = tmp_path / "out"
    text = capsys.readouterr().out
    assert "landmarks that were not fitted on" in text and str(out / "index") in text
    made = adapter.load(str(out))
    assert made.dimension == 6
    assert json.loads((out / "adapter.json").read_text())["fitted"]["validation"]["queries"] > 0
    done, before = EmbeddingSet.open(out / "query"), EmbeddingSet.open(tmp_path / "test")
    rows = np.arange(before.num_rows)
    np.testing.assert_allclose(done.take(rows), made.apply(before.take(rows)), atol=1e-6)
    assert done.meta["model"] == "drawn, adapted"

    written = contents(out)
    assert adapt.main([*flags, "--dimension", "6"]) == 0
    assert contents(out) == written
    assert adapt.main([*flags, "--dimension", "5"]) == 2
    assert "holds an adapter of other rows or settings" in capsys.readouterr().err

    sets = {"query": tmp_path / "test", "index": tmp_path / "index"}
    plain = [text for flag, path in sets.items() for text in (f"--{flag}", str(path))]
    plain += ["--preset", "direct"]
    ready = ["--query", str(out / "query"), "--index", str(out / "index"), "--preset", "direct"]
    assert retrieve.main([*plain, "--adapter", str(out), "--output", str(tmp_path / "a")]) == 0
    assert retrieve.main([*ready, "--output", str(tmp_path / "b")]) == 0
    assert (tmp_path / "a/submission.csv").read_text() == (
        tmp_path / "b/submission.csv"
    ).read_text()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--landmarks=no.csv"], "--landmarks no.csv: expected a file"),
        (["--dimension=4000"], "--dimension: expected at most"),
        (["--margin=-1"], "margin: expected 0 or more"),
        (["--learning_rate=0"], "learning_rate: expected a number above 0"),
    ],
)
def test_mistakes_are_one_line(flags, capsys, more, message):
    assert adapt.main([*flags, *more]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
