"""A TPU slice driven by one process: each host, here a process, reads for itself."""

import json
import os
import socket
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from shard_writing import write_split

from glrtf.config.data import InputConfig
from glrtf.data.input_pipeline import eval_batches, train_batches
from glrtf.data.input_spec import InputSpec
from glrtf.data.shards import open_shards

HOST = """
import json, os, sys
import tensorflow as tf
spec, index = json.loads(sys.argv[1]), int(sys.argv[2])
tf.distribute.Server(tf.train.ClusterSpec(spec), job_name="worker", task_index=index)
print("ready", flush=True)
sys.stdin.read()
os._exit(0)
"""

# Reads shards at paths that exist in the hosts' working folder alone.
DRIVER = """
import dataclasses, json, os, sys
spec, data, output, tests = json.loads(sys.argv[1]), *sys.argv[2:]
sys.path.insert(0, tests)
import numpy as np
import tensorflow as tf
tf.config.experimental_connect_to_cluster(tf.train.ClusterSpec(spec))
from fake_tpu import fake_tpu_strategy
from glrtf.config.data import InputConfig
from glrtf.config.training import TrainConfig
from glrtf.data.shards import open_shards
from glrtf.training.inputs import distributed_batches, readable_errors
from tfrecords_tools.errors import UserError

strategy = fake_tpu_strategy("worker")
shards = open_shards(data)
def moved(folder):
    return dataclasses.replace(shards, shards=tuple(
        dataclasses.replace(shard, path=folder + os.path.basename(shard.path))
        for shard in shards.shards
    ))
config = TrainConfig(size=32, data=data, batch_size=3, accumulation_steps=1, seed=5,
                     input=InputConfig(shuffle_buffer=8, files_at_once=2))
batches = distributed_batches(strategy, moved("hosts-only/"), config, 32, 20, 2, 12)
rows = [tuple(strategy.experimental_local_results(part) for part in next(batches))
        for _ in range(10)]
images, labels = (np.array([[each.numpy() for each in row[part]] for row in rows])
                  for part in (0, 1))
from glrtf.data.input_spec import InputSpec
from glrtf.training.fold import fold_batches
spec = InputSpec(32, None, True)
fold = [[np.stack([each.numpy() for each in strategy.experimental_local_results(part)])
         for part in batch]
        for batch in fold_batches(strategy, moved("hosts-only/"), spec, 3)]
fold_images, fold_labels, fold_places = (np.stack(part) for part in zip(*fold))
try:
    with readable_errors(data):
        next(distributed_batches(strategy, moved("nowhere/"), config, 32, 20, 0, 1))
    problem = ""
except UserError as error:
    problem = str(error)
np.savez(output, images=images, labels=labels, problem=problem, fold_images=fold_images,
         fold_labels=fold_labels, fold_places=fold_places)
os._exit(0)
"""


def free_ports(count):
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("localhost", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@pytest.fixture
def hosts(tmp_path):
    """Two worker processes, in a working folder of their own; the cluster's addresses."""
    (tmp_path / "hosts").mkdir()
    spec = {"worker": [f"localhost:{port}" for port in free_ports(2)]}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", HOST, json.dumps(spec), str(index)],
            cwd=tmp_path / "hosts",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for index in range(2)
    ]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        yield spec
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def test_each_host_reads_its_own_shards_in_the_order_of_the_python_pipeline(tmp_path, hosts):
    split = write_split(tmp_path / "data" / "train", [7, 5, 8, 6], num_classes=20)
    (tmp_path / "hosts" / "hosts-only").symlink_to(split)
    output = tmp_path / "read.npz"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    tests = str(Path(__file__).parents[2])
    arguments = [json.dumps(hosts), str(tmp_path / "data"), str(output), tests]
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, *arguments],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = np.load(output)
    shards = open_shards(str(tmp_path / "data"))
    for worker in range(2):
        batches = train_batches(
            shards,
            size=32,
            batch_size=3,
            seed=5,
            config=InputConfig(shuffle_buffer=8, files_at_once=2),
            worker=worker,
            num_workers=2,
            start_step=2,
        )
        for step, (images, labels) in enumerate(islice(batches, 10)):
            np.testing.assert_array_equal(found["labels"][step, worker], labels)
            apart = found["images"][step, worker].astype(int) - images.numpy().astype(int)
            assert np.abs(apart).max() <= 1
    # The 26 records once more in their own order, as a validation fold: the first host has the
    # shards of 7 and 8, so five batches of 3, the second 5 and 6 and a batch's worth of filling.
    [every] = eval_batches(shards, size=InputSpec(32, None, True), batch_size=26)
    places = found["fold_places"]
    assert places.shape == (5, 2, 3)
    assert places[:, 0].ravel().tolist() == [*range(7), *range(12, 20)]
    assert places[:, 1].ravel().tolist() == [*range(7, 12), *range(20, 26), *[-1] * 4]
    is_record = places >= 0
    order = places[is_record]
    np.testing.assert_array_equal(found["fold_labels"][is_record], every["label"].numpy()[order])
    np.testing.assert_array_equal(found["fold_images"][is_record], every["image"].numpy()[order])
    assert not found["fold_images"][~is_record].any()
    problem = str(found["problem"])
    assert "expected shards that every host reads at this path, found: nowhere/" in problem
