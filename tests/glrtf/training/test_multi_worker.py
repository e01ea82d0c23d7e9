"""Two worker processes on this machine, joined by TF_CONFIG."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from shard_writing import write_split
from tiny_runs import trainer

from glrtf.config.training import TrainConfig
from glrtf.data.shards import open_shards
from glrtf.training import checkpoints
from glrtf.training.validation import Validator

# Trains runs as `glrtf.train` does under --strategy multiworker, with the tiny model, one after the
# other in one process. Of each run it writes the weights, the labels that it saw, and what
# validation found and read. At a moment, a run is stopped or killed after the epoch of 5 updates.
WORKER = """
import json, os, signal, sys
sys.path.insert(0, sys.argv[1])
folder, index, runs = sys.argv[2:]
data = folder + "/data"
from glrtf.training.strategy import is_chief, make_strategy
strategy = make_strategy("multiworker")
import numpy as np
import tensorflow as tf
from tiny_runs import Recorder, trainer, updates
from glrtf.config.training import TrainConfig
from glrtf.data import records
from glrtf.data.shards import open_shards
from glrtf.training import inputs
from glrtf.training.validation import Validator
from tfrecords_tools.errors import UserError

seen, opened, distributed, chunks = [], [], inputs.distributed_batches, records.chunks
def noted(*arguments):
    for batch in distributed(*arguments):
        seen.extend(strategy.experimental_local_results(batch[1])[0].numpy().tolist())
        yield batch
inputs.distributed_batches = noted
def noted_chunks(shards, index, *arguments, **options):
    opened.append(os.path.basename(shards.shards[index].path))
    return chunks(shards, index, *arguments, **options)
numbers = {"die": signal.SIGKILL, "stop": signal.SIGTERM}

def train(run, moment):
    config = TrainConfig(size=32, data=data, workdir=f"{folder}/{run}", epochs=2, batch_size=2,
                         accumulation_steps=2, checkpoint_every=3)
    killer = Recorder(5, lambda: os.kill(os.getpid(), numbers[moment]) if moment else None)
    made, state = trainer(config, strategy=strategy, loggers=[killer], classes=20,
                          chief=is_chief(strategy))
    result = made.run()
    # What the chief saves is there before the other worker's next run looks for it.
    strategy.reduce("SUM", strategy.run(lambda: tf.constant(1.0)), axis=None)
    return result.finished, updates(config), state

for name, run, moment in json.loads(runs):
    seen.clear()
    try:
        finished, saved, state = train(run, moment)
    except UserError as error:
        print(error, file=sys.stderr, flush=True)
        os._exit(2)
    end = {"finished": finished, "updates": saved, "seen": seen, "chief": is_chief(strategy)}
    if finished:
        opened.clear()
        records.chunks = noted_chunks
        scored = []
        validator = Validator(strategy, state.model, open_shards(data, "validation"), size=32,
                              batch_size=2, score=lambda *pair: scored.append(pair) or {})
        fold = validator()
        records.chunks = chunks
        end |= {"opened": opened, "fold_rows": scored[0][0], "fold_labels": scored[0][1],
                "fold_loss": fold["validation_loss"], **state.arrays()}
    np.savez(f"{folder}/{name}-{index}.npz", **end)
"""


def start(folder, *runs):
    """Both workers, as processes; of a run, the output's name, the workdir, each one's moment."""
    ports = []
    for _ in range(2):
        with socket.socket() as probe:
            probe.bind(("localhost", 0))
            ports.append(probe.getsockname()[1])
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    processes = []
    for index in range(2):
        config = {"cluster": cluster, "task": {"type": "worker", "index": index}}
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
            "TF_CONFIG": json.dumps(config),
        }
        tests = str(Path(__file__).parents[2])
        own = json.dumps([(name, run, moments[index]) for name, run, *moments in runs])
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", WORKER, tests, str(folder), str(index), own],
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    return processes


def finished(processes):
    """Their exit codes and what they said."""
    try:
        said = [process.communicate()[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [process.returncode for process in processes], said


def ends(folder, name):
    return [dict(np.load(folder / f"{name}-{index}.npz")) for index in range(2)]


def assert_validated_as_by_one(folder, end):
    """Rows, labels and loss are those of one process with the same weights."""
    _, state = trainer(TrainConfig(size=32, data=str(folder / "data"), workdir="-"), classes=20)
    for name, variable in state.model_variables().items():
        variable.assign(end[name])
    scored = []
    figures = Validator(
        tf.distribute.OneDeviceStrategy("/cpu:0"),
        state.model,
        open_shards(str(folder / "data"), "validation"),
        size=32,
        batch_size=2,
        score=lambda rows, labels: scored.append((rows, labels)) or {},
    )()
    [(rows, labels)] = scored
    np.testing.assert_array_equal(end["fold_labels"], labels)
    np.testing.assert_allclose(end["fold_rows"], rows, atol=1e-6)
    assert end["fold_loss"] == pytest.approx(figures["validation_loss"], rel=1e-6)


def test_two_workers_train_as_one_and_resume_after_one_was_killed_or_stopped(tmp_path):
    # 20 photos of 20 landmarks, 10 a worker; 2 a worker and update: an epoch is 5 updates.
    write_split(tmp_path / "data" / "train", [10, 10], num_classes=20)
    # 7 and 2 photos in batches of 2: the second worker has three batches of nothing but filling.
    write_split(tmp_path / "data" / "validation", [4, 2, 3], split="validation", num_classes=20)
    # A whole run; then one whose second worker is killed.
    codes, said = finished(
        start(tmp_path, ("whole", "whole", "", ""), ("dead", "killed", "", "die"))
    )
    assert codes[1] == -signal.SIGKILL
    assert codes[0] == 2, said[0]
    assert "a worker of the cluster was lost" in said[0].splitlines()[-1]
    folder = str(tmp_path / "killed" / "checkpoints")
    assert [c.position.update for c in checkpoints.list_all(folder)] == [3]

    whole = ends(tmp_path, "whole")
    assert [bool(end["chief"]) for end in whole] == [True, False]
    assert all(end["finished"] for end in whole)
    for epoch in (slice(0, 10), slice(10, 20)):
        labels = np.concatenate([end["seen"][epoch] for end in whole])
        assert sorted(labels) == list(range(20))
    for name in whole[0].keys() - {"seen", "chief", "opened"}:
        np.testing.assert_array_equal(whole[0][name], whole[1][name], err_msg=name)
    assert [end["opened"].tolist() for end in whole] == [
        ["validation-00000-of-00003.tfrecord", "validation-00002-of-00003.tfrecord"],
        ["validation-00001-of-00003.tfrecord"],
    ]
    assert_validated_as_by_one(tmp_path, whole[0])

    # SIGTERM comes to one of them after update 5, so in the answers to update 6, which both read
    # when they have made update 7. Two more processes resume the killed run, and resume it again.
    codes, said = finished(
        start(tmp_path, ("stopped", "killed", "", "stop"), ("resumed", "killed", "", ""))
    )
    assert codes == [0, 0], said
    for end in ends(tmp_path, "stopped"):
        assert not end["finished"]
        assert end["updates"].tolist() == [3, 6, 7]
    for end in ends(tmp_path, "resumed"):
        for name in whole[0].keys() - {"finished", "updates", "seen", "chief", "opened"}:
            np.testing.assert_allclose(end[name], whole[0][name], rtol=0, atol=1e-6, err_msg=name)
