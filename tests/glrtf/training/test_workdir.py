import dataclasses

import pytest

from glrtf.config.training import TrainConfig
from glrtf.training import checkpoints, workdir
from tfrecords_tools.errors import UserError


def test_settings_are_saved_and_read_back(tmp_path):
    config = TrainConfig(workdir=str(tmp_path / "run"), backbone="v2s", size=96, margin=0.25)
    workdir.claim(config)
    assert checkpoints.read_config(config.folder) == config
    workdir.claim(config)


def test_another_config_is_refused_and_the_change_named(tmp_path):
    config = TrainConfig(workdir=str(tmp_path), size=96)
    workdir.claim(config)
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
