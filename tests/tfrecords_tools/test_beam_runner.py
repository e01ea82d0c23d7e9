import dataclasses
import sys

import numpy as np
import pytest
from tiny_gldv2 import files_below, write_train

from tfrecords_tools import beam_runner, build, gldv2, images
from tfrecords_tools.build import BuildConfig
from tfrecords_tools.sharding import Images
from tfrecords_tools.writer import ShardSpec


def _config(tmp_path, output, **settings) -> BuildConfig:
    settings = {"num_shards": 3, "workers": 1, "splits": ["train"]} | settings
    return BuildConfig(str(tmp_path / "gldv2"), str(tmp_path / output), **settings)


def test_a_stored_specification_is_the_same(tmp_path):
    spec = ShardSpec(
        name="train-00001-of-00003.tfrecord",
        folder=str(tmp_path),
        layout=gldv2.Layout("train", "root", "root/train", ("images_000.tar", "images_001.tar")),
        images=Images(
            np.array([2**64 - 1, 5], np.uint64),
            np.array([3, -1], np.int32),
            np.array([0, 1], np.int32),
            np.array([2**40, 512], np.uint64),
            np.array([10, 20], np.uint32),
            np.array([2**32 - 1, 0], np.uint32),
        ),
        landmark_ids=np.array([140151, -1], np.int64),
        settings=images.ImageSettings(max_side=800),
        digest="d" * 64,
        fresh=np.array([True, False]),
        base="b" * 64,
    )
    again = beam_runner.load_spec(beam_runner.save_spec(spec))
    for field in dataclasses.fields(ShardSpec):
        one, other = getattr(spec, field.name), getattr(again, field.name)
        if field.name == "images":
            for column in dataclasses.fields(Images):
                np.testing.assert_array_equal(
                    getattr(one, column.name), getattr(other, column.name)
                )
                assert getattr(one, column.name).dtype == getattr(other, column.name).dtype
        else:
            np.testing.assert_array_equal(one, other)


def test_without_beam_the_extra_is_named(tmp_path, capsys, monkeypatch):
    # None makes an import of that name fail, whether or not it is installed.
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    write_train(tmp_path / "gldv2")
    flags = ["--source", str(tmp_path / "gldv2"), "--output", str(tmp_path / "out")]
    assert build.main([*flags, "--splits", "train", "--runner", "beam"]) == 2
    assert "pip install -c constraints.txt '.[beam]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ["runner=DirectRunner"],
        ["--runner=DirectRunner", "--direct_num_workers=2", "direct_running_mode=multi_threading"],
    ],
)
def test_beam_writes_the_same_bytes(tmp_path, options):
    pytest.importorskip("apache_beam", reason="pip install '.[beam]'")
    write_train(tmp_path / "gldv2")
    build.build(_config(tmp_path, "local"))
    build.build(_config(tmp_path, "beam", runner="beam", beam_options=options))
    assert files_below(tmp_path / "beam") == files_below(tmp_path / "local")
    assert not (tmp_path / "beam" / "train" / beam_runner.SPECS_FOLDER).exists()
