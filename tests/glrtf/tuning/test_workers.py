import errno
import fcntl
import multiprocessing
import os
import signal
import subprocess
import sys
import threading

import pytest
from tuning_files import write_inputs

from glrtf.commands import tune
from glrtf.config.evaluation import TuneConfig
from glrtf.tuning import study
from glrtf.tuning import workers as tune_workers
from glrtf.tuning.study import SharedTrials
from tfrecords_tools.command import cli, stopping

pytest.importorskip("optuna", reason="glrtf tune needs the extra [tune]")


@pytest.fixture
def flags(tmp_path):
    inputs = write_inputs(tmp_path)
    names = ["fusion.bridge_power", "landmark.keep", "fusion.tie_break"]
    return [*inputs, "--solution", str(tmp_path / "solution.csv"), "--parameters", *names]


def opened(flags, output, trials, workers=1):
    more = ["--output", str(output), "--trials", str(trials), "--workers", str(workers)]
    config = cli.parse(TuneConfig, [*flags, *more], prog="tune")
    return config, study.open_problem(config)


def drawn(config, problem):
    journal = study.open_journal(config, problem.parameters)
    return [(trial.number, trial.params, trial.value) for trial in study.finished_trials(journal)]


def test_a_study_is_the_same_however_often_it_was_stopped(flags, tmp_path):
    """The sampler draws at random ten times, then from what it knows: stops lie in both."""
    config, problem = opened(flags, tmp_path / "whole", 15)
    tune_workers.run_trials(config, problem)
    stopped, problem = opened(flags, tmp_path / "stopped", 15)
    for until in (1, 4, 12, 13, 15):
        trials = SharedTrials(stopped, problem, 0)
        while len(study.finished_trials(trials.journal)) < until:
            study.share(trials.journal, trials.run_one())
        # The trial that the killed process had started is in no journal.
        trials.run_one()
    assert drawn(stopped, problem) == drawn(config, problem)
    # More trials later, too, are those of a longer study.
    longer, problem = opened(flags, tmp_path / "longer", 18)
    tune_workers.run_trials(longer, problem)
    more, problem = opened(flags, tmp_path / "stopped", 18)
    tune_workers.run_trials(more, problem)
    assert drawn(more, problem) == drawn(longer, problem)


def test_a_killed_worker_costs_no_trial(flags, tmp_path, capsys, monkeypatch):
    config, problem = opened(flags, tmp_path / "out", 6, workers=2)
    original = study.share

    def share(journal, trial):
        for process in multiprocessing.active_children():
            os.kill(process.pid, signal.SIGKILL)
        original(journal, trial)

    monkeypatch.setattr(study, "share", share)
    tune_workers.run_trials(config, problem)
    assert len(drawn(config, problem)) == 6
    note = "note: tune worker 1 was ended by SIGKILL; the others ran its trials"
    assert note in capsys.readouterr().err


def test_the_trial_of_a_dead_worker_is_given_back():
    tickets, searched, shared = tune_workers._Tickets(2), threading.Event(), []
    searched.set()
    helper = object.__new__(tune_workers._Helper)
    helper._connection, theirs = multiprocessing.Pipe()
    thread = threading.Thread(target=helper._serve, args=(tickets, searched, shared.append))
    thread.start()
    theirs.send("ready")
    assert theirs.recv() is True
    theirs.send("first")
    assert theirs.recv() is True
    assert tickets.left == 0
    theirs.close()
    thread.join()
    assert shared == ["first"] and tickets.left == 1


def test_workers_end_with_the_command_that_began_them(flags, tmp_path):
    """However it dies: once nobody writes to standard error any more, all are gone."""
    command = [sys.executable, "-m", "glrtf.tune", *flags, "--output", str(tmp_path / "out")]
    command += ["--trials", "100000", "--workers", "3"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert "search once" in process.stderr.readline()
    process.kill()
    assert "Traceback" not in process.stderr.read()
    process.wait()
    process.stderr.close()


def test_ctrl_c_shows_no_traceback(flags, tmp_path):
    """It reaches every process of the terminal, also workers that are still starting."""
    command = [sys.executable, "-m", "glrtf.tune", *flags, "--output", str(tmp_path / "out")]
    command += ["--trials", "100000", "--workers", "3"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert "search once" in process.stderr.readline()
    os.killpg(process.pid, signal.SIGINT)
    assert "Traceback" not in process.stderr.read()
    assert process.wait() in (stopping.STOPPED, -signal.SIGINT)
    process.stderr.close()


def test_a_second_command_is_refused(flags, tmp_path, capsys):
    config, _ = opened(flags, tmp_path / "out", 2)
    with tune_workers._alone(config.output):
        assert tune.main([*flags, "--output", config.output, "--trials", "2"]) == 2
    assert "another glrtf tune works on this study" in capsys.readouterr().err
    assert tune.main([*flags, "--output", config.output, "--trials", "2"]) == 0


def test_a_study_on_a_disk_without_locks_runs_with_a_note(tmp_path, capsys, monkeypatch):
    def no_locks(handle, how):
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with tune_workers._alone(str(tmp_path)):
        pass
    assert f"note: {tmp_path}: this file system has no locks" in capsys.readouterr().err
