import json

import numpy as np
import pytest
from tuning_files import write_inputs

from glrtf.commands import evaluate, retrieve, whiten
from glrtf.embeddings import embedding_set
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.embeddings.info import INFO_FILE
from glrtf.retrieval.rerank import whitening

pytest.importorskip("sklearn", reason="glrtf.whiten needs scikit-learn")


@pytest.fixture
def flags(tmp_path):
    write_inputs(tmp_path)
    sets = {"train": "train", "query": "test", "index": "index", "output": "out"}
    return [text for flag, name in sets.items() for text in (f"--{flag}", str(tmp_path / name))]


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_whitened_sets_rank_and_are_compared(flags, tmp_path, capsys):
    assert whiten.main([*flags, "--dimension", "5"]) == 0
    out = tmp_path / "out"
    assert capsys.readouterr().out.split() == [
        str(out / role) for role in ("train", "query", "index")
    ]
    done, before = EmbeddingSet.open(out / "query"), EmbeddingSet.open(tmp_path / "test")
    assert done.dimension == 5
    np.testing.assert_array_equal(done.ids, before.ids)
    fitted = whitening.load(str(out / "whitening.npz"))
    expected = fitted.apply(np.array(before.part(0)[0]))
    np.testing.assert_allclose(done.part(0)[0], expected, atol=1e-6)
    assert done.meta["model"] == "drawn, whitened"

    # The whole way on: rankings of both, and the difference.
    ranked = [tmp_path / "plain", tmp_path / "white"]
    for sets, where in zip((tmp_path, out), ranked, strict=True):
        query = sets / ("test" if sets == tmp_path else "query")
        inputs = ["--query", str(query), "--index", str(sets / "index"), "--preset", "direct"]
        assert retrieve.main([*inputs, "--output", str(where)]) == 0
    result = tmp_path / "result.json"
    files = [str(ranked[0]), str(tmp_path / "solution.csv"), "--compare", str(ranked[1])]
    assert evaluate.main([*files, "--json", str(result)]) == 0
    assert str(ranked[1]) in json.loads(result.read_text())["compare"]


def test_a_second_run_writes_the_same_and_only_what_is_missing(flags, tmp_path, monkeypatch):
    assert whiten.main([*flags, "--dimension", "5"]) == 0
    out = tmp_path / "out"
    before = contents(out)
    (out / "index" / INFO_FILE).unlink()
    monkeypatch.setattr(whitening, "fit", None)
    assert whiten.main([*flags, "--dimension", "5"]) == 0
    assert contents(out) == before


def test_models_are_joined_first(flags, tmp_path):
    arguments = []
    for flag, value in zip(flags[::2], flags[1::2], strict=True):
        arguments += [flag, value] if flag == "--output" else [flag, value, value]
    assert whiten.main([*arguments, "--dimension", "5"]) == 0
    once = tmp_path / "once"
    assert whiten.main([*flags[:-1], str(once), "--dimension", "5"]) == 0
    # A model joined with itself says nothing new.
    rows = [EmbeddingSet.open(f / "query").part(0)[0] for f in (tmp_path / "out", once)]
    np.testing.assert_allclose(rows[0] @ rows[0].T, rows[1] @ rows[1].T, atol=1e-4)


def another_model(folder):
    rows = np.eye(12, dtype=np.float32)
    embedding_set.write_part(str(folder / "test"), 0, 1, rows, np.arange(12).astype("S16"))
    embedding_set.finish(str(folder / "test"), 1, model="another", size=0)


def other_settings(folder):
    sets = ["--train", str(folder / "train"), "--output", str(folder / "out")]
    assert whiten.main([*sets, "--dimension", "4"]) == 0


@pytest.mark.parametrize(
    ("prepare", "more", "message"),
    [
        (None, ["--dimension", "0"], "--dimension: expected 1 or more"),
        (None, ["--dimension", "13"], "--dimension: expected at most 12"),
        (None, ["--dimension", "5", "--votes", "1", "2"], "--votes: expected one positive number"),
        (another_model, ["--dimension", "5"], "found another model's"),
        (other_settings, ["--dimension", "5"], "holds a whitening of other rows or settings"),
    ],
)
def test_mistakes_are_one_line(flags, tmp_path, capsys, prepare, more, message):
    if prepare:
        prepare(tmp_path)
        capsys.readouterr()
    assert whiten.main([*flags, *more]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out" / "query").exists()
