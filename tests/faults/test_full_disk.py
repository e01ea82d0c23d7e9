"""Every command that writes, on a disk that is full and on one that is read-only.

It says so in one line with exit code 2, and leaves no half file under a final
name. The disk is a small tmpfs, which only root may mount: skipped elsewhere.
Commands run as processes of their own, since a memory map on a full disk can
take the process with it.
"""

import os
import subprocess
import sys

import pytest
import retrieval_worlds as worlds
from retrieval_files import SOLUTION, write_retrieval, write_source
from small_disk import files_on, leave_free, make_read_only, make_room
from tiny_gldv2 import write_train


def _run(module: str, *flags) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", module, *map(str, flags)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """Name -> (module, flags but the output, kibibytes it needs at least)."""
    root = tmp_path_factory.mktemp("inputs")
    write_train(root / "gldv2", 40)
    world = worlds.make_world(root / "world", test=40, index=400, train=900, train_parts=2)
    retrieval = write_retrieval(root / "retrieval")
    write_source(root / "source")
    (root / "solution.csv").write_text(SOLUTION)
    report = ["--retrieval", retrieval, "--solution", root / "solution.csv"]
    return {
        "build": ("tfrecords_tools.build", ["--source", root / "gldv2", "--splits", "train"]),
        "retrieve": ("glrtf.retrieve", world.arguments()),
        "report": ("glrtf.report", [*report, "--source", root / "source"]),
        "sample": ("tfrecords_tools.sample", ["--num_landmarks", "6", "--processes", "1"]),
    }


# The first write fails, or one in the middle of the work.
@pytest.mark.parametrize(
    ("name", "free"),
    [
        *(("build", 0), ("build", 24), ("report", 0), ("report", 24)),
        # The last ones are full when arrays are made for the neighbours, and in writing them.
        *(("retrieve", 0), ("retrieve", 24), ("retrieve", 40), ("retrieve", 100)),
    ],
)
def test_a_full_disk(disk, commands, name, free):
    module, flags = commands[name]
    leave_free(disk, free)
    found = _run(module, *flags, "--output", disk / "out")
    last = found.stderr.splitlines()[-1]
    assert found.returncode == 2, found.stderr
    assert "No space left on device" in last and "Traceback" not in found.stderr
    assert not [path for path in files_on(disk) if path.endswith(".partial")]
    # With room again the same command does its work.
    make_room(disk)
    assert _run(module, *flags, "--output", disk / "out").returncode == 0


@pytest.mark.parametrize("name", ["build", "retrieve", "report", "sample"])
def test_a_read_only_disk(disk, commands, name):
    module, flags = commands[name]
    make_read_only(disk)
    found = _run(module, *flags, "--output", disk / "out")
    assert found.returncode == 2, found.stderr
    assert "Read-only file system" in found.stderr.splitlines()[-1]
    assert str(disk) in found.stderr and "Traceback" not in found.stderr
    assert not files_on(disk)


_EXPORT = """
import sys
from tf_devices import split_cpu
from tiny_models import EMBEDDING_SIZE, make_model
split_cpu()
from glrtf.inference import serving
from tfrecords_tools.command import cli
import dataclasses

@dataclasses.dataclass
class Config:
    '''Exports.'''
    output: str

def main(config):
    serving.export(make_model(), EMBEDDING_SIZE, config.output, {})

sys.exit(cli.run(Config, main, prog="export", argv=sys.argv[1:]))
"""


def test_an_export_onto_a_full_disk(disk):
    leave_free(disk, 60)
    command = [sys.executable, "-c", _EXPORT, "--output", str(disk / "out")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert found.returncode == 2, found.stderr[-2000:]
    assert "No space left on device" in found.stderr.splitlines()[-1]
    assert not files_on(disk)


def test_a_checkpoint_onto_a_full_disk(disk, tmp_path):
    import numpy as np

    from glrtf.training import checkpoints

    weights = {"w": np.zeros(200_000, np.float32)}
    folder = str(disk / "checkpoints")
    first = checkpoints.write(folder, weights, checkpoints.Position(1, 0.1, 3, 8))
    leave_free(disk, 100)
    with pytest.raises(OSError, match="No space left on device"):
        checkpoints.write(folder, weights, checkpoints.Position(2, 0.2, 3, 8))
    assert checkpoints.latest(folder) == first
    assert sorted(os.listdir(folder)) == ["images-000000000008.json", "images-000000000008.npz"]


def test_an_embedding_set_onto_a_full_disk(disk):
    import numpy as np

    from glrtf.embeddings import embedding_set

    rows = np.eye(512, dtype=np.float32)
    ids = [f"{row:016x}" for row in range(512)]
    leave_free(disk, 100)
    with pytest.raises(OSError, match="No space left on device"):
        embedding_set.write_part(str(disk / "set"), 0, 1, rows, ids)
    assert "embeddings-00000-of-00001.npy" not in os.listdir(disk / "set")
