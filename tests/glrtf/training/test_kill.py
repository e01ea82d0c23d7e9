"""A training process killed by SIGKILL, wherever it is: the next start loses nothing else."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
from shard_writing import write_split
from tiny_runs import trainer, updates

from glrtf.config.training import TrainConfig

# Trains until the moment that its argument names, and there kills itself without warning.
VICTIM = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from tf_devices import split_cpu
split_cpu()
import numpy as np
from tiny_runs import trainer
from glrtf.config.training import TrainConfig
from tfrecords_tools.storage import files

def die(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)

moment, data, workdir = sys.argv[2:]
config = TrainConfig(size=32, data=data, workdir=workdir, epochs=2, batch_size=4,
                     accumulation_steps=2, ema_momentum=0.9, checkpoint_every=3)
if moment == "arrays half written":
    save = np.savez
    def half(file, **arrays):
        save(file, **arrays)
        file.flush()
        if os.path.exists(workdir + "/checkpoints/images-000000000012.json"):
            os.ftruncate(file.fileno(), os.fstat(file.fileno()).st_size // 2)
            die()
    np.savez = half
if moment == "arrays without their JSON":
    write_json = files.write_json
    def no_json(path, value):
        die() if path.endswith("images-000000000024.json") else write_json(path, value)
    files.write_json = no_json
trainer(config)[0].run()
"""


def test_a_run_killed_twice_ends_like_one_left_alone(tmp_path):
    write_split(tmp_path / "data" / "train", [12, 8])
    data = str(tmp_path / "data")
    undisturbed, state = trainer(config_of(data, tmp_path / "undisturbed"))
    undisturbed.run()
    expected = state.arrays()
    # Checkpoints after updates 3, 6, 9 and 10; both times the save of update 6 is what fails, so
    # updates 4 to 6 are made three times.
    config = config_of(data, tmp_path / "killed")
    folder = tmp_path / "killed" / "checkpoints"
    kill("arrays half written", data, config.folder)
    assert [p for p in folder.iterdir() if p.suffix == ".partial"]
    assert updates(config) == [3]
    kill("arrays without their JSON", data, config.folder)
    assert (folder / "images-000000000024.npz").exists()
    assert updates(config) == [3]
    last, state = trainer(config)
    assert last.run().update == 10
    got = state.arrays()
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(got[name], value, rtol=0, atol=1e-6, err_msg=name)
    assert not [p for p in folder.iterdir() if p.suffix == ".partial"]


def kill(moment, data, workdir):
    """Runs a process that trains and dies at the moment."""
    tests = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", VICTIM, tests, moment, data, workdir]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == -signal.SIGKILL, done.stderr


def config_of(data, workdir):
    return TrainConfig(
        size=32,
        data=data,
        workdir=str(workdir),
        epochs=2,
        batch_size=4,
        accumulation_steps=2,
        ema_momentum=0.9,
        checkpoint_every=3,
    )
