import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from glrtf.training.callbacks import CsvLogger, TensorBoardLogger, WandbLogger
from tfrecords_tools.errors import UserError


def told(logger):
    logger.images(0, "augmented", np.random.default_rng(0).uniform(size=(1, 8, 12, 3)))
    logger.scalars(5, {"train_loss": 2.5, "validation_map": 0.25})
    logger.scalars(10, {"train_loss": 1.5})
    logger.close()


def test_a_csv_keeps_the_lines_before_the_update_it_goes_on_from(tmp_path):
    path = str(tmp_path / "train.csv")
    first = CsvLogger(path)
    for update in (5, 10, 15):
        first.scalars(update, {"loss": update / 3})
    CsvLogger(path, start_update=10).scalars(15, {"loss": 1.5, "validation_map": 0.25})
    assert Path(path).read_text().splitlines() == [
        "update,loss,validation_map",
        "5,1.66667,",
        "10,3.33333,",
        "15,1.5,0.25",
    ]


def test_tensorboard_reads_the_curves_and_one_picture(tmp_path):
    accumulators = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="pip install tensorboard"
    )
    told(TensorBoardLogger(str(tmp_path)))
    found = accumulators.EventAccumulator(str(tmp_path), {"tensors": 0}).Reload()
    events = {tag: found.Tensors(tag) for tag in found.Tags()["tensors"]}
    steps = {tag: [event.step for event in events[tag]] for tag in events}
    assert steps == {"augmented": [0], "train_loss": [5, 10], "validation_map": [5]}
    losses = [tf.make_ndarray(event.tensor_proto).item() for event in events["train_loss"]]
    assert losses == [2.5, 1.5]
    # A picture is its width and height as text, then a PNG each.
    width, height, png = events["augmented"][0].tensor_proto.string_val
    assert (width, height, png[:4]) == (b"12", b"8", b"\x89PNG")


def test_without_its_package_weights_and_biases_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UserError, match=r"pip install -c constraints.txt '\.\[wandb\]'"):
        WandbLogger("project", "run", {})


def test_weights_and_biases_gets_the_same_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="pip install wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SILENT", "true")
    told(WandbLogger("project", "runs/a", {"size": 32}))
    [folder] = tmp_path.glob("wandb/offline-run-*")
    [run] = folder.glob("*.wandb")
    assert run.stat().st_size > 0
    assert list(folder.glob("files/media/images/augmented*.png"))
