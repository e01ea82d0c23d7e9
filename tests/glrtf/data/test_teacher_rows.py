import numpy as np
import pytest
from shard_writing import write_rows, write_split

from glrtf.config.data import InputConfig
from glrtf.config.distillation import DistillConfig
from glrtf.config.training import TrainConfig
from glrtf.data.host_batches import training_reader
from glrtf.data.shards import open_shards
from glrtf.data.teacher_rows import TeacherRows, open_teacher, row_width
from tfrecords_tools.errors import UserError


def write_angles(folder, numbers):
    """Photo n has the row (cos n, sin n, 0)."""
    return write_rows(folder, numbers, [[np.cos(n), np.sin(n), 0] for n in numbers])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Shards of 20 photos, whose labels say which photo each is, and the photos' rows."""
    folder = tmp_path_factory.mktemp("taught")
    write_split(folder / "train", [12, 8], num_classes=20)
    return open_shards(str(folder)), write_angles(folder / "rows", [*range(10, 20), *range(10)])


def read(shards, folder, start_step=0):
    config = InputConfig(shuffle_buffer=16)
    reader = training_reader(
        shards,
        size=32,
        batch_size=6,
        seed=3,
        config=config,
        start_step=start_step,
        teacher=TeacherRows(DistillConfig(rows=folder)),
    )
    return reader.batches()


def test_every_image_has_its_own_row(data):
    batches = read(*data)
    for _ in range(5):
        _, labels, rows = next(batches)
        assert rows.dtype == np.float32
        expected = [[np.cos(n), np.sin(n), 0] for n in labels]
        np.testing.assert_allclose(rows, expected, atol=1e-6)


def test_a_resumed_stream_has_the_same_rows(data):
    whole, resumed = read(*data), read(*data, start_step=2)
    batches = [next(whole) for _ in range(4)]
    np.testing.assert_array_equal(next(resumed)[2], batches[2][2])
    np.testing.assert_array_equal(next(resumed)[2], batches[3][2])


def test_a_photo_without_row_is_named(data, tmp_path):
    shards, _ = data
    batches = read(shards, write_angles(tmp_path / "rows", range(19)))
    message = r"--distill\.rows .*: expected a row for every train photo, found none for 0+13;"
    with pytest.raises(UserError, match=message):
        for _ in range(4):
            next(batches)


def test_only_runs_that_name_rows_open_them(data):
    _, folder = data
    taught = TrainConfig(distill=DistillConfig(rows=folder))
    assert (row_width(TrainConfig()), open_teacher(TrainConfig())) == (0, None)
    assert row_width(taught) == 3
    assert open_teacher(taught).width == 3
