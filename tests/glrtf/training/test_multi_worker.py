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

# Trains as `glrtf.train` does under --strategy multiworker, with the tiny model, and writes what
# it ends with, which labels it saw, and what validation found and read; or kills itself after the
# epoch of 5 updates.
WORKER = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
data, workdir, output, moment = sys.argv[2:]
from glrtf.training.strategy import is_chief, make_strategy
strategy = make_strategy("multiworker")
import numpy as np
from tiny_runs import Recorder, trainer
from glrtf.config.training import TrainConfig
from glrtf.training import inputs
from tfrecords_tools.errors import UserError

seen, distributed = [], inputs.distributed_batches
def noted(*arguments):
    for batch in distributed(*arguments):
        seen.extend(strategy.experimental_local_results(batch[1])[0].numpy().tolist())
        yield batch
inputs.distributed_batches = noted
config = TrainConfig(size=32, data=data, workdir=workdir, epochs=2, batch_size=2,
                     accumulation_steps=2, checkpoint_every=3)
numbers = {"die": signal.SIGKILL, "stop": signal.SIGTERM}
killer = Recorder(5, lambda: os.kill(os.getpid(), numbers[moment]) if moment else None)
made, state = trainer(config, strategy=strategy, loggers=[killer], classes=20,
                      chief=is_chief(strategy))
try:
    result = made.run()
except UserError as error:
    print(error, file=sys.stderr, flush=True)
    os._exit(2)
from glrtf.data import records
from glrtf.data.shards import open_shards
from glrtf.training.validation import Validator
opened, chunks = [], records.chunks
def noted_chunks(shards, index, *arguments, **options):
    opened.append(os.path.basename(shards.shards[index].path))
    return chunks(shards, index, *arguments, **options)
records.chunks = noted_chunks
scored = []
fold = Validator(strategy, state.model, open_shards(data, "validation"), size=32, batch_size=2,
                 score=lambda rows, labels: scored.append((rows, labels)) or {})()
np.savez(output, seen=seen, chief=is_chief(strategy), opened=opened, fold_rows=scored[0][0],
         fold_labels=scored[0][1], fold_loss=fold["validation_loss"], **state.arrays())
sys.exit(0 if result.finished else 75)
"""


def start(folder, run, moments=("", "")):
    """Both workers, as processes; moments are what they print."""
    ports = []
    for _ in range(2):
        with socket.socket() as probe:
            probe.bind(("localhost", 0))
            ports.append(probe.getsockname()[1])
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    processes = []
    for index, moment in enumerate(moments):
        config = {"cluster": cluster, "task": {"type": "worker", "index": index}}
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
            "TF_CONFIG": json.dumps(config),
        }
        tests = str(Path(__file__).parents[2])
        output = str(folder / f"{run}-{index}.npz")
        arguments = [tests, str(folder / "data"), str(folder / run), output, moment]
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", WORKER, *arguments],
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


def ends(folder, run):
    return [dict(np.load(folder / f"{run}-{index}.npz")) for index in range(2)]


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
    codes, said = finished(start(tmp_path, "whole"))
    assert codes == [0, 0], said
    whole = ends(tmp_path, "whole")
    assert [bool(end["chief"]) for end in whole] == [True, False]
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

    codes, said = finished(start(tmp_path, "killed", ("", "die")))
    assert codes[1] == -signal.SIGKILL
    assert codes[0] == 2, said[0]
    assert "a worker of the cluster was lost" in said[0].splitlines()[-1]
    folder = str(tmp_path / "killed" / "checkpoints")
    assert [c.position.update for c in checkpoints.list_all(folder)] == [3]

    # SIGTERM comes to one of them after update 5, so in the answers to update 6, which both read
    # when they have made update 7.
    codes, said = finished(start(tmp_path, "killed", ("", "stop")))
    assert codes == [75, 75], said
    assert [c.position.update for c in checkpoints.list_all(folder)] == [3, 6, 7]

    codes, said = finished(start(tmp_path, "killed"))
    assert codes == [0, 0], said
    for end in ends(tmp_path, "killed"):
        for name in whole[0].keys() - {"seen", "chief", "opened"}:
            np.testing.assert_allclose(end[name], whole[0][name], rtol=0, atol=1e-6, err_msg=name)
