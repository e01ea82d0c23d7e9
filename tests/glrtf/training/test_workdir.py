import dataclasses
import shutil

import numpy as np
import pytest
from shard_writing import write_split
from tiny_runs import trainer

from glrtf.config.data import InputConfig
from glrtf.config.distillation import DistillConfig
from glrtf.config.training import TrainConfig
from glrtf.data.shards import open_shards
from glrtf.embeddings.embedding_set import finish, write_part
from glrtf.training import checkpoints, run, workdir
from tfrecords_tools.dataset_info import DatasetInfo
from tfrecords_tools.errors import UserError


def test_settings_are_saved_and_read_back(tmp_path):
    config = TrainConfig(workdir=str(tmp_path / "run"), backbone="v2s", size=96, margin=0.25)
    workdir.claim(config)
    assert checkpoints.read_config(config.folder) == config
    workdir.claim(config)


def test_settings_with_the_checksum_of_earlier_versions(tmp_path):
    config = TrainConfig(workdir=str(tmp_path), size=96)
    workdir.claim(config)
    path = tmp_path / "config.yaml"
    line = b"# crc32c 00c0ffee of all below; to edit by hand, delete this line\n"
    path.write_bytes(line + path.read_bytes())
    assert checkpoints.read_config(config.folder) == config


@pytest.mark.parametrize("content", [b"", b"# cut\n", b"size: 96\nbackbone: \xff\n", b"size: [\n"])
def test_settings_that_cannot_be_read(tmp_path, content):
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(UserError, match=r"config\.yaml: not a YAML file of settings") as caught:
        checkpoints.read_config(str(tmp_path))
    assert "\n" not in str(caught.value)


def write_checkpoint(folder):
    place = checkpoints.Position(update=1, epoch=0.5, num_classes=2, global_batch_size=4)
    checkpoints.write(str(folder / "checkpoints"), {"x": np.zeros(1, np.float32)}, place)


def test_a_run_without_checkpoint_may_start_over_with_other_settings(tmp_path):
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
    workdir.claim(dataclasses.replace(config, strategy="cpu", keep_checkpoints=9, max_hours=8.0))


def begun(folder, data="", **settings):
    """A run with a checkpoint, on real shards."""
    write_split(folder / "shards" / "train", [4, 4])
    config = TrainConfig(data=str(folder / "shards"), workdir=str(folder / "run"), **settings)
    workdir.claim(config)
    place = checkpoints.Position(1, 0.5, 2, 4, data=data)
    checkpoints.write(str(folder / "run" / "checkpoints"), {"x": np.zeros(1, np.float32)}, place)
    return config


@pytest.mark.parametrize(
    "change", [{"max_bad_records": 10}, {"exact_resize": True}, {"files_at_once": 2}]
)
def test_how_shards_are_read_may_change(tmp_path, change):
    config = begun(tmp_path)
    workdir.claim(dataclasses.replace(config, input=InputConfig(**change)))


def test_another_order_is_refused_by_its_dotted_name(tmp_path):
    config = begun(tmp_path)
    with pytest.raises(UserError, match=r"\(input\.shuffle_buffer 2048, now 7\)"):
        workdir.claim(dataclasses.replace(config, input=InputConfig(shuffle_buffer=7)))


def test_micro_batches_may_change_and_the_learning_rate_stays(tmp_path):
    # 24 images an update: three micro-batches of 8 give 5e-6 · 8, whatever they are later.
    config = begun(tmp_path, batch_size=24, accumulation_steps=3)
    for steps in (6, 2):
        now = dataclasses.replace(config, accumulation_steps=steps)
        assert workdir.claim(now).peak_learning_rate(1) == pytest.approx(4e-5)
    with pytest.raises(UserError, match=r"\(batch_size 24, now 48\)"):
        workdir.claim(dataclasses.replace(config, batch_size=48))


@pytest.mark.parametrize("recorded", [True, False])
def test_shards_may_move_but_not_be_others(tmp_path, recorded):
    write_split(tmp_path / "moved" / "train", [4, 4])
    write_split(tmp_path / "others" / "train", [4, 5])
    digest = workdir.data_digest(str(tmp_path / "moved"))
    config = begun(tmp_path, digest if recorded else "")
    assert workdir.data_digest(config.data) == digest
    others = dataclasses.replace(config, data=str(tmp_path / "others"))
    with pytest.raises(UserError, match=r"others', which holds other shards than the run's"):
        workdir.claim(others)
    moved = dataclasses.replace(config, data=str(tmp_path / "moved"))
    if recorded:  # Where they were is then of no interest.
        shutil.rmtree(config.data)
    workdir.claim(moved)
    assert checkpoints.read_config(config.folder).data == moved.data


def test_shards_that_were_built_again_in_place_are_refused(tmp_path):
    config = begun(tmp_path, "0" * 64)
    with pytest.raises(UserError, match="which holds other shards than the run's"):
        workdir.claim(config)


def test_a_checkpoint_says_what_it_was_trained_on(tmp_path):
    config = begun(tmp_path, size=32, epochs=1, batch_size=6)
    config = dataclasses.replace(config, workdir=str(tmp_path / "trained"))
    trainer(config)[0].run()
    assert checkpoints.find(config.folder).position.data == workdir.data_digest(config.data) != ""


def write_rows(folder, value=1.0):
    write_part(str(folder), 0, 1, np.array([[value, 0.0]], np.float32), ["a"])
    finish(str(folder), 1, model="teacher")
    return str(folder)


def test_rows_to_learn_from_may_move_but_not_be_others(tmp_path):
    rows, moved = write_rows(tmp_path / "rows"), write_rows(tmp_path / "moved")
    config = begun(tmp_path, distill=DistillConfig(rows=rows))
    folder = str(tmp_path / "run" / "checkpoints")
    place = checkpoints.Position(2, 1.0, 2, 4, rows=workdir.rows_digest(config))
    checkpoints.write(folder, {"x": np.zeros(1, np.float32)}, place)
    for other, found in ((write_rows(tmp_path / "others", -1.0), "others"), ("", "none")):
        changed = dataclasses.replace(config, distill=DistillConfig(rows=other))
        with pytest.raises(UserError, match=rf"--distill\.rows: expected the set .*{found};"):
            workdir.claim(changed)
    workdir.claim(dataclasses.replace(config, distill=DistillConfig(rows=moved)))
    with pytest.raises(UserError, match=r"other settings \(distill\.weight 10\.0, now 2\.0\)"):
        workdir.claim(dataclasses.replace(config, distill=DistillConfig(moved, weight=2.0)))


def test_extra_photos_may_move_but_not_be_others(tmp_path):
    rows, more = write_rows(tmp_path / "rows"), write_rows(tmp_path / "more")
    for name, lengths in (("index", [2]), ("moved", [2]), ("others", [3])):
        write_split(tmp_path / name, lengths, "index")

    def taught(data, extra=more):
        return DistillConfig(rows, extra_data=[str(tmp_path / data)], extra_rows=[extra])

    config = begun(tmp_path, distill=taught("index"))
    place = checkpoints.Position(
        *(2, 1.0, 2, 4),
        data=workdir.photos_digest(config),
        rows=workdir.rows_digest(config),
    )
    folder = str(tmp_path / "run" / "checkpoints")
    checkpoints.write(folder, {"x": np.zeros(1, np.float32)}, place)
    workdir.claim(dataclasses.replace(config, distill=taught("moved")))
    with pytest.raises(UserError, match=r"extra_data .*others, which holds other shards than"):
        workdir.claim(dataclasses.replace(config, distill=taught("others")))
    with pytest.raises(UserError, match="which holds other shards than the run's"):
        workdir.claim(dataclasses.replace(config, distill=DistillConfig(rows)))
    other = taught("index", write_rows(tmp_path / "changed", -1.0))
    with pytest.raises(UserError, match=r"--distill\.rows: expected the set .*rows and .*changed;"):
        workdir.claim(dataclasses.replace(config, distill=other))


def test_a_run_that_began_on_labels_alone_takes_no_rows(tmp_path):
    config = begun(tmp_path)
    taught = DistillConfig(rows=write_rows(tmp_path / "rows"))
    with pytest.raises(UserError, match=r"--distill\.rows: expected no rows, as the run began"):
        workdir.claim(dataclasses.replace(config, distill=taught))


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(UserError, match=r"workdir of glrtf train, found no config\.yaml"):
        checkpoints.read_config(str(tmp_path))
    with pytest.raises(UserError, match="expected a workdir with checkpoints, found none"):
        checkpoints.find(str(tmp_path))


def with_builders_max_side(folder, max_side):
    """Says in a split's description that it was built with --max_side."""
    info = DatasetInfo.load(str(folder))
    dataclasses.replace(info, settings={"max_side": max_side}).save(str(folder))


def test_the_shards_max_side_is_kept_with_the_run(tmp_path):
    config = begun(tmp_path)
    # A run of an earlier version: its config.yaml says nothing of it.
    assert checkpoints.read_config(config.folder).input.max_side is None
    with_builders_max_side(tmp_path / "shards" / "train", 800)
    now = run.with_max_side(config, open_shards(config.data))
    workdir.claim(now)
    assert checkpoints.read_config(config.folder).input.max_side == 800
    with pytest.raises(UserError, match=r"input\.max_side 800, now 640"):
        workdir.claim(dataclasses.replace(config, input=InputConfig(max_side=640)))


@pytest.mark.parametrize("given", [0, 640])
def test_a_max_side_that_is_given_stays(tmp_path, given):
    config = begun(tmp_path)
    with_builders_max_side(tmp_path / "shards" / "train", 800)
    config = dataclasses.replace(config, input=InputConfig(max_side=given))
    assert run.with_max_side(config, open_shards(config.data)).input.max_side == given


def test_shards_without_a_max_side_are_recorded_as_such(tmp_path):
    config = begun(tmp_path)
    assert run.with_max_side(config, open_shards(config.data)).input.max_side == 0
