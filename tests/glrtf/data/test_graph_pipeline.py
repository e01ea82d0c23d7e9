"""The pipeline of graph operations gives what the Python pipeline gives."""

import itertools
import tarfile

import numpy as np
import pytest
from shard_writing import describe_again, record, write_shard, write_split

from glrtf.config.data import InputConfig
from glrtf.data.graph_pipeline import graph_batches
from glrtf.data.input_pipeline import plain_errors, train_batches
from glrtf.data.shards import open_shards
from tfrecords_tools import schema

LENGTHS = [40, 3, 17, 0, 29, 50]


def drawn(batches):
    return [(images.numpy(), labels.numpy()) for images, labels in batches]


@pytest.mark.parametrize(
    ("options", "worker", "workers", "start"),
    [
        ({"shuffle_buffer": 25, "files_at_once": 2}, 0, 1, 0),
        # 3 x 17 records are inside a window; 45 x 3 close to the second epoch.
        ({"shuffle_buffer": 25, "files_at_once": 2}, 1, 2, 17),
        ({"shuffle_buffer": 0}, 0, 1, 45),
        ({"shuffle_buffer": 30, "files_at_once": 3, "sampling": "sqrt"}, 0, 2, 3),
        ({"image_mode": "device-resize", "canvas": 64}, 0, 1, 45),
        ({"antialias": True}, 0, 1, 0),
    ],
)
def test_batches_are_those_of_the_python_pipeline(tmp_path, options, worker, workers, start):
    write_split(tmp_path / "train", LENGTHS, num_classes=7)
    shards = open_shards(str(tmp_path))
    settings = {
        "size": 16,
        "batch_size": 3,
        "seed": 3,
        "config": InputConfig(exact_resize=True, **options),
        "worker": worker,
        "num_workers": workers,
        "start_step": start,
    }
    expected = drawn(itertools.islice(train_batches(shards, **settings), 60))
    found = drawn(graph_batches(shards, steps=60, **settings))
    assert len(found) == 60
    for (images, labels), (want_images, want_labels) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(labels, want_labels)
        np.testing.assert_array_equal(images, want_images)


def test_real_photos_are_within_one_grey_level_of_the_fast_resize(minigld, tmp_path):
    with tarfile.open(min((minigld / "train").rglob("*.tar"))) as tar:
        members = [member for member in tar if member.name.endswith(".jpg")][:12]
        photos = [tar.extractfile(member).read() for member in members]
    assert len(photos) == 12
    write_split(tmp_path / "train", [12], num_classes=12)
    shard = tmp_path / "train" / "train-00000-of-00001.tfrecord"
    rows = [
        schema.encode_example(photo, f"{number:016x}", number, number, 1, 1)
        for number, photo in enumerate(photos)
    ]
    write_shard(shard, rows)
    describe_again(tmp_path / "train")
    shards = open_shards(str(tmp_path))
    settings = {"size": 64, "batch_size": 4, "seed": 0, "config": InputConfig()}
    settings |= {"worker": 0, "num_workers": 1, "start_step": 0}
    expected = drawn(itertools.islice(train_batches(shards, **settings), 3))
    for (images, labels), (want_images, want_labels) in zip(
        drawn(graph_batches(shards, steps=3, **settings)), expected, strict=True
    ):
        np.testing.assert_array_equal(labels, want_labels)
        assert np.abs(images.astype(int) - want_images.astype(int)).max() <= 1


@pytest.mark.parametrize("mode", ["host-resize", "device-resize"])
def test_longer_photos_are_shrunk_as_in_the_python_pipeline(tmp_path, mode):
    write_split(tmp_path / "train", [8], num_classes=7)  # Photos of 24 x 40 pixels.
    config = InputConfig(exact_resize=True, max_side=30, image_mode=mode, canvas=30)
    settings = {"size": 16, "batch_size": 4, "seed": 0, "config": config}
    settings |= {"worker": 0, "num_workers": 1, "start_step": 0}
    shards = open_shards(str(tmp_path))
    expected = drawn(itertools.islice(train_batches(shards, **settings), 2))
    for (images, labels), (want_images, want_labels) in zip(
        drawn(graph_batches(shards, steps=2, **settings)), expected, strict=True
    ):
        np.testing.assert_array_equal(labels, want_labels)
        # Pillow's Lanczos filter rounds some halves the other way.
        apart = np.abs(images.astype(int) - want_images.astype(int))
        assert apart.max() <= 4 and apart.mean() < 0.1


@pytest.fixture
def damaged(tmp_path):
    """Two shards of ten: record 4 of the first is no image, record 7 of the second is altered."""
    folder = write_split(tmp_path / "train", [10, 10], num_classes=20)
    first, second = sorted(folder.glob("*.tfrecord"))
    rows = [record(number, number) for number in range(10)]
    rows[4] = schema.encode_example(b"no image", f"{4:016x}", 4, 104, 24, 40)
    write_shard(first, rows)
    describe_again(folder)
    sizes = [len(record(number, number)) + 16 for number in range(10, 17)]
    data = bytearray(second.read_bytes())
    data[sum(sizes) + 40] ^= 255  # In record 7's data: its checksum is wrong.
    second.write_bytes(data)
    return tmp_path


def read(folder, limit, steps):
    config = InputConfig(shuffle_buffer=6, files_at_once=2, max_bad_records=limit)
    labels = []
    with plain_errors():
        for _, found in graph_batches(
            open_shards(str(folder)),
            size=8,
            batch_size=4,
            seed=1,
            config=config,
            worker=0,
            num_workers=1,
            start_step=0,
            steps=steps,
        ):
            labels.extend(found.numpy().tolist())
    return labels


def test_broken_records_are_skipped_up_to_the_limit_and_counted_once(damaged):
    # One image and, behind the altered record, three of its shard: 16 sound ones an epoch. Three
    # epochs are 12 batches; the four are met three times and stay four.
    labels = read(damaged, 4, 12)
    sound = [number for number in range(20) if number != 4 and number < 17]
    assert sorted(labels) == sorted(sound * 3)


def test_past_the_limit_the_message_names_the_shard_and_the_record(damaged):
    with pytest.raises(
        Exception, match=r"^\S*train-0000[01]-of-00002.tfrecord: record [4789] is broken: "
    ) as error:
        read(damaged, 3, 12)
    assert type(error.value).__name__ == "UserError"
    assert str(error.value).endswith(
        "4 broken so far on its host with --input.max_bad_records 3; build the shard again or "
        "raise the limit"
    )
