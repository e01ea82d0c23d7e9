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


def ranked(folder, *flags):
    """The submission of a retrieval that goes through the train set."""
    assert retrieve.main([*map(str, flags), "--output", str(folder)]) == 0
    return (folder / "submission.csv").read_text()


def test_by_landmarks_it_is_judged_on_other_landmarks_and_retrieve_applies_it(
    flags, tmp_path, capsys
):
    table = str(tmp_path / "train.csv")
    assert whiten.main([*flags, "--landmarks", table]) == 0
    out = tmp_path / "out"
    text = capsys.readouterr().out
    assert "landmarks that were not fitted on" in text
    assert "validation" in json.loads((out / "whitening.json").read_text())
    assert (
        EmbeddingSet.open(out / "index").dimension
        == EmbeddingSet.open(tmp_path / "index").dimension
    )
    before = contents(out)
    assert whiten.main([*flags, "--landmarks", table]) == 0
    assert contents(out) == before
    assert whiten.main([*flags, "--landmarks", table, "--shrinkage=0.2"]) == 2
    assert "holds a whitening of other rows or settings" in capsys.readouterr().err
    assert whiten.main([*flags, "--landmarks", table, "--center=landmarks"]) == 2
    assert "holds a whitening of other rows or settings" in capsys.readouterr().err

    whitened = ["--query", out / "query", "--index", out / "index", "--train", out / "train"]
    plain = flags[:-2]
    given = ranked(tmp_path / "a", *whitened, "--landmarks", table)
    applied = ranked(tmp_path / "b", *plain, "--landmarks", table, "--adapter", out)
    assert applied == given
    assert applied != ranked(tmp_path / "c", *plain, "--landmarks", table)
    # Whitened rows are another model's: they are not mapped twice.
    twice = [*map(str, whitened), "--landmarks", table, "--adapter", str(out)]
    assert retrieve.main([*twice, "--output", str(tmp_path / "d")]) == 2
    assert "on which the adapter was fitted" in capsys.readouterr().err


def test_the_power_of_the_pca(flags, tmp_path):
    assert whiten.main([*flags, "--dimension", "5", "--power", "0"]) == 0
    fitted = whitening.load(str(tmp_path / "out" / "whitening.npz"))
    np.testing.assert_array_equal(fitted.variances, np.ones(5))
    done, before = (EmbeddingSet.open(tmp_path / f) for f in ("out/query", "test"))
    rows = (before.take(np.arange(12)) - fitted.mean) @ fitted.directions.T
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(done.take(np.arange(12)), rows, atol=1e-6)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "dimension: expected 1 or more"),
        (["--dimension=5", "--shrinkage=0.1"], "shrinkage: expected landmarks"),
        (["--dimension=5", "--center=landmarks"], "center: expected landmarks"),
        (["--landmarks=no.csv"], "--landmarks no.csv: expected a file"),
        (["--landmarks=no.csv", "--power=0.5"], "power: expected none with landmarks"),
        (["--dimension=5", "--power=3"], "power: expected 0 to 2"),
    ],
)
def test_settings_that_do_not_go_together(flags, capsys, more, message):
    assert whiten.main([*flags, *more]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
