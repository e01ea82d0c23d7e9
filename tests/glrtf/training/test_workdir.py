import dataclasses

import numpy as np
import pytest

from glrtf.config.training import TrainConfig
from glrtf.training import checkpoints, workdir
from tfrecords_tools.errors import UserError


def test_settings_are_saved_and_read_back(tmp_path):
    config = TrainConfig(workdir=str(tmp_path / "run"), backbone="v2s", size=96, margin=0.25)
    workdir.claim(config)
    assert checkpoints.read_config(config.folder) == config
    workdir.claim(config)


def write_checkpoint(folder):
    place = checkpoints.Position(update=1, epoch=0.5, num_classes=2, global_batch_size=4)
    checkpoints.write(str(folder / "checkpoints"), {"x": np.zeros(1, np.float32)}, place)


def test_what_never_came_to_a_checkpoint_is_begun_again_with_other_settings(tmp_path):
    config = TrainConfig(workdir=str(tmp_path), weights="imagenet")
    workdir.claim(config)
    without = dataclasses.replace(config, weights="none")
    workdir.claim(without)
    assert checkpoints.read_config(config.folder) == without


def test_another_config_is_refused_and_the_change_named(tmp_path):
    config = TrainConfig(workdir=str(tmp_path), size=96)
    workdir.claim(config)
    write_checkpoint(tmp_path)
    before = (tmp_path / "config.yaml").read_bytes()
    with pytest.raises(UserError, match=r"other settings \(size 96, now 128\)"):
        workdir.claim(dataclasses.replace(config, size=128))
    assert (tmp_path / "config.yaml").read_bytes() == before


def test_where_a_run_runs_may_change(tmp_path):
    config = TrainConfig(workdir=str(tmp_path))
    workdir.claim(config)
    workdir.claim(dataclasses.replace(config, strategy="cpu", keep_checkpoints=9))


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(UserError, match=r"workdir of glrtf\.train, found no config\.yaml"):
        checkpoints.read_config(str(tmp_path))
    with pytest.raises(UserError, match="expected a workdir with checkpoints, found none"):
        checkpoints.find(str(tmp_path))
