"""SIGTERM and Ctrl-C during training: saved, said, and not taken for finished."""

import os
import signal

import pytest
from shard_writing import write_split
from tiny_runs import Recorder, trainer, updates

from glrtf.commands import demo, train
from glrtf.config.demo import DemoConfig
from glrtf.config.training import TrainConfig
from glrtf.training import loop, run
from tfrecords_tools.command import stopping
from tfrecords_tools.command.stopping import Stopped


@pytest.fixture
def config(tmp_path):
    """20 images, 4 an update: 10 updates, two epochs; no checkpoint before the end."""
    write_split(tmp_path / "data" / "train", [12, 8])
    return TrainConfig(
        size=32,
        data=str(tmp_path / "data"),
        workdir=str(tmp_path / "run"),
        epochs=2,
        batch_size=4,
        accumulation_steps=1,
        checkpoint_every=100,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_what_was_trained(config, number, capsys):
    before = signal.getsignal(number)
    made, _ = trainer(config, loggers=[Recorder(5, lambda: os.kill(os.getpid(), number))])
    result = made.run()
    assert (result.update, result.finished) == (5, False)
    assert updates(config) == [5]
    assert "stopping: this update is finished and saved" in capsys.readouterr().err
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_stops_at_once(config):
    def twice():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    made, _ = trainer(config, loggers=[Recorder(5, twice)])
    with pytest.raises(KeyboardInterrupt):
        made.run()
    assert updates(config) == []


def test_a_signal_after_an_update_was_not_due_to_be_saved_saves_it(config):
    made, _ = trainer(config)
    due = made._is_save_due

    def signalled(update):
        result = due(update)
        if update == 7:
            os.kill(os.getpid(), signal.SIGTERM)
        return result

    made._is_save_due = signalled
    assert made.run().update == 7
    assert updates(config) == [7]


@pytest.mark.parametrize(
    ("update", "said"), [(5, "stopped and saved after update 5"), (0, "before")]
)
def test_the_command_says_so_with_a_code_of_its_own(config, monkeypatch, capsys, update, said):
    monkeypatch.setattr(run, "train", lambda *_, **__: loop.Result(update, False, {}))
    assert train.main(["--data", config.data, "--workdir", config.workdir]) == stopping.STOPPED
    line = capsys.readouterr().err.splitlines()[-1]
    assert said in line and line.endswith("; the same command resumes")


def test_a_demonstration_makes_nothing_of_an_unfinished_model(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "train", lambda *_, **__: loop.Result(5, False, {}))
    with pytest.raises(Stopped, match="saved after update 5"):
        demo._Place(DemoConfig(output=str(tmp_path))).train()
