import csv
import json

import numpy as np
import pytest
import yaml
from tuning_files import write_inputs

from glrtf.commands import retrieve, tune
from glrtf.config.evaluation import TuneConfig
from glrtf.retrieval.pipeline import Pipeline
from glrtf.retrieval.search import backends
from glrtf.retrieval.stage_cache import StageCache
from glrtf.tuning import search_space
from glrtf.tuning.problem import Problem
from tfrecords_tools.command import cli

pytest.importorskip("optuna", reason="glrtf.tune needs the extra [tune]")


@pytest.fixture
def flags(tmp_path):
    solution = str(tmp_path / "solution.csv")
    return [*write_inputs(tmp_path), "--solution", solution, "--output", str(tmp_path / "out")]


def test_study_result_and_what_retrieve_makes_of_it(flags, tmp_path, capsys):
    assert tune.main([*flags, "--trials", "12"]) == 0
    out = tmp_path / "out"
    figures = json.loads((out / "tune.json").read_text())
    with open(out / "trials.csv", newline="") as file:
        trials = list(csv.DictReader(file))
    assert figures["trials"] == len(trials) == 12
    # The start is the first trial, so the best of the tuning side cannot be worse.
    assert figures["tune"]["after"] >= figures["tune"]["before"]
    assert float(trials[0]["map@100"]) == pytest.approx(figures["tune"]["before"])
    best = max(float(trial["map@100"]) for trial in trials)
    assert figures["tune"]["after"] == pytest.approx(best)
    assert figures["tune"]["queries"] + figures["holdout"]["queries"] == 32
    assert "mAP@100 after 12 trials" in capsys.readouterr().out
    assert (out / "history.svg").read_text().startswith("<svg")

    # glrtf.retrieve takes best.yaml and reaches what the study says.
    ranked = tmp_path / "ranked"
    inputs = flags[: flags.index("--solution")]
    settings = ["--config", str(out / "best.yaml"), "--output", str(ranked)]
    assert retrieve.main([*settings, *inputs]) == 0
    result = tmp_path / "scored.json"
    from glrtf.commands import evaluate

    assert evaluate.main([str(ranked), str(tmp_path / "solution.csv"), "--json", str(result)]) == 0
    scored = json.loads(result.read_text())["measures"]["All"]["map@100"]
    sides = [figures["tune"], figures["holdout"]]
    expected = np.average([s["after"] for s in sides], weights=[s["queries"] for s in sides])
    assert scored == pytest.approx(expected)


def test_a_study_is_resumed(flags, tmp_path):
    assert tune.main([*flags, "--trials", "3"]) == 0
    first = (tmp_path / "out" / "trials.csv").read_text()
    assert tune.main([*flags, "--trials", "6"]) == 0
    second = (tmp_path / "out" / "trials.csv").read_text()
    assert second.startswith(first)
    assert second.count("\n") == 7
    # Enough trials are there: nothing runs, the same files are written.
    assert tune.main([*flags, "--trials", "6"]) == 0
    assert (tmp_path / "out" / "trials.csv").read_text() == second


def test_workers_share_the_trials(flags, tmp_path):
    assert tune.main([*flags, "--trials", "6", "--workers", "2"]) == 0
    figures = json.loads((tmp_path / "out" / "tune.json").read_text())
    assert figures["trials"] == 6


def test_named_parameters_alone_are_tuned(flags, tmp_path):
    names = ["fusion.bridge_power", "landmark.keep"]
    assert tune.main([*flags, "--trials", "3", "--parameters", *names]) == 0
    figures = json.loads((tmp_path / "out" / "tune.json").read_text())
    assert set(figures["values"]) == set(names)
    best = yaml.safe_load((tmp_path / "out" / "best.yaml").read_text())
    assert best["landmark"]["per_landmark"] == 2


def test_another_study_in_the_same_folder(flags, capsys):
    assert tune.main([*flags, "--trials", "1"]) == 0
    assert tune.main([*flags, "--trials", "2", "--landmark.keep", "3"]) == 2
    assert "is the journal of a study with another settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--parameters", "landmark.kept"], "did you mean landmark.keep?"),
        (["--parameters", "train_neighbors.k"], "does not matter under these settings"),
        (["--holdout", "1"], "--holdout: expected a share between 0 and 1"),
        (["--trials", "0"], "--trials: expected 1 or more"),
        (["--preset", "direct", "--parameters", "dba.n"], "dba.n does not matter"),
    ],
)
def test_mistakes_are_one_line(flags, tmp_path, capsys, more, message):
    assert tune.main([*flags, *more]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_queries_of_another_solution(flags, tmp_path, capsys):
    (tmp_path / "solution.csv").write_text("id,images,Usage\nffff,eeee,Public\n")
    assert tune.main([*flags, "--trials", "1"]) == 2
    assert "found none of them" in capsys.readouterr().err


@pytest.fixture
def problem(flags):
    return Problem(cli.parse(TuneConfig, flags, prog="tune"))


@pytest.mark.parametrize(
    "values",
    [
        {"train_neighbors.per_part": 5, "landmark.keep": 2, "fusion.tie_break": "bridge"},
        {"dba.rows": "both", "dba.n": 3, "dba.alpha": 1.0},
        {"dba.rows": "index", "query_expansion.n": 4, "query_expansion.alpha": 1.5},
        {"dba.rows": "none", "label_vote_weight": 0.5, "landmark.aggregate": "mean"},
        {"rerank.method": "k_reciprocal", "query_expansion.n": 2},
        {"rerank.method": "diffusion", "dba.n": 4},
    ],
)
def test_a_trial_ranks_as_the_plain_pipeline_does(problem, tmp_path, values):
    problem.fill_cache()
    settings = search_space.replaced(problem.base, values)
    plain = Pipeline(settings, StageCache(str(tmp_path / "plain"))).rank()
    everyone = np.concatenate([problem.tune, problem.holdout])
    rows = problem.scored_rows(everyone)
    np.testing.assert_array_equal(problem.rank(settings, everyone).images, plain.images[rows])
    # Of some queries alone: the same rankings.
    few = problem.tune[::3]
    np.testing.assert_array_equal(
        problem.rank(settings, few).images, plain.images[problem.scored_rows(few)]
    )


def test_wide_searches_serve_narrow_trials(problem, monkeypatch):
    problem.fill_cache()
    calls = []
    original = backends.search_blocks

    def counted(queries, database, *rest):
        calls.append(database.name)
        return original(queries, database, *rest)

    monkeypatch.setattr(backends, "search_blocks", counted)
    values = {"train_neighbors.per_part": 10, "dba.n": 3, "landmark.keep": 2}
    problem.average_precisions(search_space.replaced(problem.base, values), problem.tune)
    # Only the search with the augmented rows is new.
    assert len(calls) == 1
    values |= {"fusion.bridge_power": 2.0, "label_vote_weight": 0.1, "landmark.best_bonus": 0.1}
    problem.average_precisions(search_space.replaced(problem.base, values), problem.tune)
    assert len(calls) == 1
