import numpy as np
import pytest
import yaml

from glrtf.config.evaluation import TuneConfig
from glrtf.config.retrieval import RetrieveConfig
from glrtf.tuning import outcome, search_space
from glrtf.tuning.result import TuneResult

BASE = RetrieveConfig(["q"], ["i"], "o", train=["t"], landmarks="l.csv", votes=[2.0])
BEST = search_space.replaced(BASE, {"landmark.keep": 7, "dba.alpha": 1.0})
CONFIG = TuneConfig(
    query=["q"], index=["i"], output="out", train=["t"], landmarks="l.csv", solution="s.csv"
)


def result(holdout, importance=None):
    return TuneResult(
        baseline=BASE,
        best=BEST,
        values={"landmark.keep": 7, "landmark.per_landmark": 2, "dba.alpha": 1.0},
        tune=np.array([[0.25, 0.5], [0.5, 0.75]]),
        holdout=np.array(holdout, float),
        history=np.array([[0, 0.375], [1, 0.25], [2, 0.625]]),
        importance=importance or {},
        trials=[{"number": 0, "map@100": 0.375, "seconds": 0.1, "landmark.keep": 5}],
    )


def test_best_yaml_names_no_inputs():
    settings = yaml.safe_load(outcome.best_yaml(BEST))
    assert settings["landmark"]["keep"] == 7
    assert settings["preset"] == "fifth_place"
    for name in ("query", "index", "train", "landmarks", "output", "votes", "search"):
        assert name not in settings


def test_a_side_is_described_by_its_paired_gain():
    figures = outcome.side(np.array([[0.25, 0.5], [0.5, 0.75], [0.0, 0.25]]))
    assert (figures["queries"], figures["before"], figures["after"]) == (3, 0.25, 0.5)
    # Every query gains the same: no draw of queries gives another mean.
    assert figures["gain"] == 0.25
    assert figures["interval"] == pytest.approx([0.25, 0.25])


def test_an_insignificant_gain_is_called_so():
    nothing = outcome.result_text(CONFIG, result([[0.5, 0.75], [0.75, 0.5]]))
    assert "the holdout's interval holds 0: no gain is shown" in nothing
    assert "no gain" not in outcome.result_text(CONFIG, result([[0.25, 0.5], [0.5, 0.75]]))
    lines = nothing.splitlines()
    assert lines[0] == "mAP@100 after 1 trials"
    assert "  landmark.keep: 5 -> 7" in lines
    # What stayed as it was is no change.
    assert not any("per_landmark" in line for line in lines)


def test_files(tmp_path):
    config = TuneConfig(**(vars(CONFIG) | {"output": str(tmp_path)}))
    outcome.write_result(config, result([[0.5, 0.75]], {"landmark.keep": 0.75}))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best.yaml",
        "history.svg",
        "importance.svg",
        "trials.csv",
        "tune.json",
    ]
    assert (tmp_path / "trials.csv").read_text().splitlines() == [
        "number,map@100,seconds,landmark.keep",
        "0,0.375,0.1,5",
    ]
    # The best so far never falls: 0.375, 0.375, 0.625.
    history = (tmp_path / "history.svg").read_text()
    best_line = history.split('class="series s1" d="M')[1].split('"')[0]
    heights = [float(point.split()[1]) for point in best_line.split(" L")]
    assert heights[0] == heights[1] > heights[2]
