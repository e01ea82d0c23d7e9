import pytest
from tuning_files import write_inputs

from glrtf.config.evaluation import TuneConfig
from glrtf.tuning import study, workers
from glrtf.tuning.study import SharedTrials
from tfrecords_tools.command import cli
from tfrecords_tools.errors import UserError

pytest.importorskip("optuna", reason="glrtf tune needs the extra [tune]")


@pytest.fixture
def flags(tmp_path):
    inputs = write_inputs(tmp_path)
    return [*inputs, "--solution", str(tmp_path / "solution.csv"), "--output", str(tmp_path / "o")]


def config_of(flags, *more):
    names = ["fusion.bridge_power", "landmark.keep"]
    return cli.parse(TuneConfig, [*flags, "--parameters", *names, *more], prog="tune")


def test_trials_of_one_process_are_known_to_the_next(flags):
    config = config_of(flags)
    problem = study.open_problem(config)
    first = SharedTrials(config, problem, 0)
    for _ in range(3):
        study.share(first.journal, first.run_one())
    second = SharedTrials(config, problem, 1)
    study.share(second.journal, second.run_one())
    shared = study.finished_trials(second.journal)
    assert [trial.number for trial in shared] == [0, 1, 2, 3]
    assert len({trial.user_attrs["by"] for trial in shared}) == 2
    # The other's three trials were taken over before its own was drawn.
    assert len(second._local.trials) == 4
    # The settings as given come first, and only where the study begins.
    assert shared[0].params == {"fusion.bridge_power": 3.0, "landmark.keep": 5}
    assert shared[3].params != shared[0].params
    best = max(trial.value for trial in shared)
    assert study.best_note(second.journal) == f"best mAP@100 {best:.4f}"


def test_equal_seeds_draw_equal_trials(flags, tmp_path):
    drawn = []
    for name in ("a", "b"):
        config = config_of(flags, "--output", str(tmp_path / name), "--trials", "5")
        problem = study.open_problem(config)
        workers.run_trials(config, problem)
        journal = study.open_journal(config, problem.parameters)
        drawn.append([(t.params, t.value) for t in study.finished_trials(journal)])
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 5


def test_another_solution_is_another_study(flags, tmp_path):
    config = config_of(flags)
    study.open_problem(config)
    text = (tmp_path / "solution.csv").read_text()
    (tmp_path / "solution.csv").write_text(text.replace("Public", "Private", 1))
    with pytest.raises(UserError, match="a study with another solution"):
        study.open_problem(config)
