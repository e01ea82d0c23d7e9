import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from glrtf.training.callbacks import CsvLogger, TensorBoardLogger, WandbLogger
from tfrecords_tools.errors import UserError


def write(logger):
    logger.images(0, "augmented", np.random.default_rng(0).uniform(size=(1, 8, 12, 3)))
    logger.scalars(5, {"train_loss": 2.5, "validation_map": 0.25})
    logger.scalars(10, {"train_loss": 1.5})
    logger.close()


def test_a_csv_keeps_the_lines_before_the_images_that_it_resumes_from(tmp_path):
    path = str(tmp_path / "train.csv")
    first = CsvLogger(path)
    for update in (5, 10, 15):
        first.scalars(update, {"loss": update / 3, "images": update * 4_000_000})
    # Twice the images an update: update 5 is the former 10.
    second = CsvLogger(path, start_images=40_000_000)
    second.scalars(8, {"loss": 1.5, "images": 64_000_000, "validation_map": 0.25})
    assert Path(path).read_text().splitlines() == [
        "update,loss,images,validation_map",
        "5,1.66667,20000000,",
        "10,3.33333,40000000,",
        "8,1.5,64000000,0.25",
    ]


def test_a_csv_of_an_earlier_version_is_placed_by_its_epochs(tmp_path):
    # Epochs of 30 images in updates of 4: they end in updates 8 (32 images), 15 and 23.
    path = tmp_path / "train.csv"
    path.write_text("update,epoch\n8,1.0667\n15,2\n23,3.0667\n")
    logger = CsvLogger(str(path), start_images=64, num_examples=30)
    logger.scalars(12, {"epoch": 3.2, "images": 96})
    rows = [line.split(",")[0] for line in path.read_text().splitlines()]
    assert rows == ["update", "8", "15", "12"]


def test_curves_are_drawn_over_the_images_seen(tmp_path):
    accumulators = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="pip install tensorboard"
    )
    logger = TensorBoardLogger(str(tmp_path))
    logger.scalars(30, {"loss": 2.0, "images": 120})
    logger.scalars(16, {"loss": 1.0, "images": 128})  # Resumed on twice the replicas.
    logger.close()
    found = accumulators.EventAccumulator(str(tmp_path), {"tensors": 0}).Reload()
    assert [event.step for event in found.Tensors("loss")] == [120, 128]


def test_tensorboard_reads_the_curves_and_one_picture(tmp_path):
    accumulators = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="pip install tensorboard"
    )
    write(TensorBoardLogger(str(tmp_path)))
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
    write(WandbLogger("project", "runs/a", {"size": 32}))
    [folder] = tmp_path.glob("wandb/offline-run-*")
    [run] = folder.glob("*.wandb")
    assert run.stat().st_size > 0
    assert list(folder.glob("files/media/images/augmented*.png"))
