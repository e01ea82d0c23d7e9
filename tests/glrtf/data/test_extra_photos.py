import numpy as np
import pytest
from shard_writing import write_rows, write_split

from glrtf.config.data import InputConfig
from glrtf.config.distillation import DistillConfig
from glrtf.data.extra_photos import require_extra, with_extra_photos
from glrtf.data.host_batches import training_reader
from glrtf.data.shards import open_shards
from glrtf.data.teacher_rows import TeacherRows
from tfrecords_tools.errors import UserError

LABELLED, EXTRA = 6, 8
"""Photos 0 to 5 have labels and are in the train split; photos 0 to 7 of `more` have others."""


def write_angles(folder, numbers, first):
    """Photo n has the row (cos, sin) of the angle first + n."""
    angles = first + np.array(numbers, np.float64)
    return write_rows(folder, numbers, np.stack([np.cos(angles), np.sin(angles)], axis=1))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Train shards of photos 0 to 5, and index shards of photos 0 to 7 without labels."""
    folder = tmp_path_factory.mktemp("extra")
    write_split(folder / "train", [4, 2], num_classes=3)
    write_split(folder / "index", [0, 8], "index")
    write_split(folder / "test", [2], "test")
    write_split(folder / "more" / "train", [5, 3], num_classes=5)
    return folder


def read(shards, count, teacher=None, **settings):
    config = InputConfig(shuffle_buffer=16, **settings)
    reader = training_reader(shards, size=2, batch_size=7, seed=1, config=config, teacher=teacher)
    batches = reader.batches()
    return [next(batches) for _ in range(count)]


def test_an_epoch_has_the_labelled_photos_and_the_others_without_label(data):
    shards = with_extra_photos(open_shards(str(data)), [str(data / "index")])
    assert (shards.num_examples, shards.num_classes) == (LABELLED + EXTRA, 3)
    # Two batches of 7 are one epoch; the labels of the six are 0, 1, 2, 0, 1, 2.
    labels = np.concatenate([batch[1] for batch in read(shards, 2)])
    assert sorted(labels.tolist()) == [-1] * EXTRA + [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("sampling", ["natural", "sqrt"])
def test_labels_of_extra_photos_are_not_used(data, sampling):
    # Labels 3 and 4 of the other dataset are none of the three classes.
    shards = with_extra_photos(open_shards(str(data)), [str(data / "more" / "train")])
    labels = np.concatenate([batch[1] for batch in read(shards, 2, sampling=sampling)])
    assert sorted(labels.tolist()) == [-1] * EXTRA + [0, 0, 1, 1, 2, 2]


def test_rows_of_extra_photos_come_from_their_own_sets(data, tmp_path):
    folder = write_split(tmp_path / "train", [6], num_classes=6)
    # Photos 6 and 7 are only in the index here: those of the train split have rows of their own.
    shards = with_extra_photos(open_shards(str(folder)), [str(data / "index")])
    rows = write_angles(tmp_path / "rows", range(6), 0)
    extra = write_angles(tmp_path / "extra", [7, 6], 10)
    config = DistillConfig(rows=rows, extra_data=["index"], extra_rows=[extra])
    teacher = TeacherRows(config)
    found = teacher.of(np.array([b"%016x" % n for n in (7, 2, 6)], object))
    angles = np.array([17.0, 2.0, 16.0])
    np.testing.assert_allclose(found, np.stack([np.cos(angles), np.sin(angles)], 1), atol=1e-6)
    assert read(shards, 1, teacher)[0][2].shape == (7, 2)
    message = "expected a row for every photo of --data and --distill.extra_data, found none for"
    with pytest.raises(UserError, match=message):
        teacher.of(np.array([b"f" * 16], object))


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["test"], "test: expected train or index photos, found the split test"),
        (["train"], "expected photos that are read once, found .*train-00000-of-00002"),
        (["index", "index"], "expected photos that are read once, found .*index-00001-of-00002"),
        (["."], r"expected the shards of one split with dataset_info\.json"),
    ],
)
def test_photos_that_are_not_extra_are_refused(data, folders, message):
    with pytest.raises(UserError, match=rf"--distill\.extra_data .*{message}"):
        with_extra_photos(open_shards(str(data)), [str(data / each) for each in folders])


def test_the_split_is_checked_before_training(data):
    require_extra(str(data / "index"))
    with pytest.raises(UserError, match="found the split test"):
        require_extra(str(data / "test"))
