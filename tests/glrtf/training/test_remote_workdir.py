"""Workdirs on gs://, against an emulator on this machine."""

import os
import signal

import numpy as np
import pytest

pytest.importorskip("gcp_storage_emulator", reason="pip install gcp-storage-emulator")

import storage_emulator
from shard_writing import write_split
from tiny_runs import Recorder, trainer, updates

from glrtf.config.training import TrainConfig
from glrtf.training import checkpoints, workdir
from glrtf.training.callbacks import CsvLogger, TensorBoardLogger
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, remote

RUN = "gs://bucket/runs/a"


def test_a_run_lives_in_a_bucket_and_goes_on_from_there(tmp_path):
    write_split(tmp_path / "train", [12, 8])
    settings = {
        "size": 32,
        "data": str(tmp_path),
        "epochs": 2,
        "batch_size": 4,
        "accumulation_steps": 2,
        "keep_checkpoints": 1,
    }
    whole, state = trainer(TrainConfig(workdir=str(tmp_path / "local"), **settings))
    whole.run()
    expected = state.arrays()
    with storage_emulator.running():
        try:
            config = TrainConfig(workdir=RUN, **settings)
            workdir.claim(config)
            assert checkpoints.read_config(RUN) == config
            loggers = [CsvLogger(f"{RUN}/logs/train.csv"), TensorBoardLogger(f"{RUN}/logs")]
            stop = Recorder(5, lambda: os.kill(os.getpid(), signal.SIGTERM))
            assert trainer(config, loggers=[*loggers, stop])[0].run().update == 5
            for logger in loggers:
                logger.close()
            second, state = trainer(config)
            assert second.run().update == 10
            for name, value in state.arrays().items():
                np.testing.assert_allclose(value, expected[name], rtol=0, atol=1e-6)
            # Of the last only one is kept, and its arrays with it.
            assert updates(config) == [10]
            names = files.list_names(f"{RUN}/checkpoints")
            assert names == ["images-000000000040.json", "images-000000000040.npz"]
            assert files.read_bytes(f"{RUN}/logs/train.csv").startswith(b"update,")
            [events] = [n for n in files.list_names(f"{RUN}/logs") if n.startswith("events")]
            assert len(files.read_bytes(f"{RUN}/logs/{events}")) > 1000
            last = f"{RUN}/checkpoints/images-000000000040.npz"
            files.write_bytes(last, b"cut")
            with pytest.raises(UserError, match=rf"{last}: digest"):
                trainer(config)
        finally:
            remote.client.cache_clear()
