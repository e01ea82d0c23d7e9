import collections
import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf
from jpeg_files import sampled
from shard_writing import describe_again, kaggle_record, photo, record, write_shard, write_split

from glrtf.config.data import InputConfig
from glrtf.data.input_pipeline import eval_batches, plain_errors, train_batches
from glrtf.data.order import shard_order
from glrtf.data.records import BadRecords
from glrtf.data.shards import open_shards
from tfrecords_tools import schema, tfrecord
from tfrecords_tools.errors import UserError

UNEVEN = (40, 3, 17, 1, 29)  # 90 records


def images_of(batches, steps):
    return np.concatenate([images for images, _ in itertools.islice(batches, steps)])


def thumbnails(numbers, size):
    """What the pipeline must deliver for photos, one at a time and as written in the design."""
    images = []
    for number in numbers:
        decoded = tf.io.decode_jpeg(photo(number), channels=3)
        resized = tf.image.resize(tf.cast(decoded, tf.float32), [size, size])
        images.append(np.round(resized.numpy()).astype(np.uint8))
    return np.stack(images)


def numbers_of(images, size, total):
    """Which photo each image is."""
    known = {image.tobytes(): n for n, image in enumerate(thumbnails(range(total), size))}
    return [known[image.tobytes()] for image in images]


def test_eval_batches_keep_order_and_the_last_small_batch(tmp_path):
    folder = write_split(tmp_path / "index", UNEVEN, split="index")
    batches = list(eval_batches(str(folder), split="index", size=8, batch_size=32))
    assert [len(b["image"]) for b in batches] == [32, 32, 26]
    ids = np.concatenate([b["image_id"] for b in batches])
    assert ids.tolist() == [f"{n:016x}".encode() for n in range(90)]
    assert batches[0]["image"].dtype == tf.uint8
    np.testing.assert_array_equal(
        np.concatenate([b["image"] for b in batches]), thumbnails(range(90), 8)
    )
    assert all((b["label"].numpy() == -1).all() for b in batches)


def test_both_schemas_give_the_same_tensors(tmp_path):
    ours = write_split(tmp_path / "ours", [4, 3])
    kaggle = tmp_path / "kaggle"
    kaggle.mkdir()
    for name, numbers in (("train00-4.tfrec", range(4)), ("train01-3.tfrec", range(4, 7))):
        write_shard(kaggle / name, [kaggle_record(n, n % 5) for n in numbers])
    first, second = (
        next(iter(eval_batches(str(folder), size=8, batch_size=7))) for folder in (ours, kaggle)
    )
    for name in ("image", "image_id", "label"):
        np.testing.assert_array_equal(first[name], second[name])
    assert second["label"].numpy().tolist() == [0, 1, 2, 3, 4, 0, 1]


@pytest.mark.parametrize("global_seed", [0, 1])
def test_the_order_does_not_depend_on_tensorflows_global_seed(tmp_path, global_seed):
    folder = str(write_split(tmp_path / "train", UNEVEN))

    def stream():
        return images_of(train_batches(folder, size=8, batch_size=9, seed=3), 20)

    expected = stream()
    tf.random.set_seed(global_seed)
    np.testing.assert_array_equal(stream(), expected)


@pytest.mark.parametrize("num_workers", [1, 2, 3])
def test_every_record_once_an_epoch_over_all_workers(tmp_path, num_workers):
    folder = str(write_split(tmp_path / "train", UNEVEN))
    epochs = 3
    seen = collections.Counter()
    for worker in range(num_workers):
        shard_set = open_shards(folder)
        batches = train_batches(
            shard_set,
            size=8,
            batch_size=1,
            seed=5,
            config=InputConfig(shuffle_buffer=16, files_at_once=2),
            worker=worker,
            num_workers=num_workers,
        )

        share = sum(
            sum(shard_set.lengths[i] for i in shard_order(5, 5, epoch, worker, num_workers))
            for epoch in range(epochs)
        )
        seen.update(numbers_of(images_of(batches, share), 8, 90))
    assert seen == dict.fromkeys(range(90), epochs)


def test_each_epoch_is_whole_and_in_another_order(tmp_path):
    folder = str(write_split(tmp_path / "train", UNEVEN))
    batches = train_batches(folder, size=8, batch_size=9, seed=1)
    numbers = numbers_of(images_of(batches, 20), 8, 90)
    assert sorted(numbers[:90]) == sorted(numbers[90:]) == list(range(90))
    assert numbers[:90] != numbers[90:]
    assert numbers[:90] != list(range(90))


def test_labels_belong_to_their_images(tmp_path):
    folder = str(write_split(tmp_path / "train", UNEVEN))
    images, labels = next(iter(train_batches(folder, size=8, batch_size=90, seed=1)))
    assert labels.dtype == tf.int32
    assert labels.numpy().tolist() == [n % 5 for n in numbers_of(images.numpy(), 8, 90)]


def test_one_seed_one_stream(tmp_path):
    folder = str(write_split(tmp_path / "train", UNEVEN))
    first, again, other = (
        images_of(train_batches(folder, size=8, batch_size=16, seed=seed), 8) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("buffer", [0, 8, 50, 1000])
@pytest.mark.parametrize("step", [1, 6, 7, 13, 25])
def test_a_stream_goes_on_where_it_stopped(tmp_path, buffer, step):
    folder = str(write_split(tmp_path / "train", UNEVEN))
    config = InputConfig(shuffle_buffer=buffer, files_at_once=3)
    settings = {"size": 8, "batch_size": 7, "seed": 2, "config": config}
    whole = images_of(train_batches(folder, **settings), step + 4)
    rest = images_of(train_batches(folder, start_step=step, **settings), 4)
    np.testing.assert_array_equal(whole[step * 7 :], rest)


def test_a_resumed_epoch_does_not_touch_finished_shards(tmp_path):
    folder = write_split(tmp_path / "train", [20] * 10)
    settings = {"size": 8, "batch_size": 10, "seed": 2}
    settings["config"] = InputConfig(shuffle_buffer=20, files_at_once=1)
    expected = images_of(train_batches(str(folder), **settings), 10)[80:]

    # What is read ahead ends within the epoch.
    shard_set = open_shards(str(folder))
    for finished in shard_order(10, 2, 0)[:4]:
        (tmp_path / "train" / shard_set.shards[finished].path).write_bytes(b"unreadable")
    rest = images_of(train_batches(shard_set, start_step=8, **settings), 2)
    np.testing.assert_array_equal(expected, rest)


def test_order_that_need_not_be_repeated_is_still_whole(tmp_path):
    folder = str(write_split(tmp_path / "train", UNEVEN))
    config = InputConfig(deterministic=False)
    batches = train_batches(folder, size=8, batch_size=90, seed=1, config=config)
    seen = collections.Counter(numbers_of(images_of(batches, 5), 8, 90))
    # An image may overtake the end of an epoch, so each was seen five times, give or take one.
    assert set(seen) == set(range(90))
    assert set(seen.values()) <= {4, 5, 6}


def without_digests(shard_set):
    """The same shards without recorded digests."""
    shards = tuple(dataclasses.replace(shard, sha256="") for shard in shard_set.shards)
    return dataclasses.replace(shard_set, shards=shards)


def damaged(tmp_path, change, lengths=(6, 6), described=False):
    """A split whose second shard's bytes went through `change` after it was opened."""
    folder = write_split(tmp_path / "train", lengths)
    shard_set = open_shards(str(folder))
    path = folder / f"train-00001-of-{len(lengths):05d}.tfrecord"
    data = bytearray(path.read_bytes())
    path.write_bytes(bytes(change(data)))
    return shard_set if described else without_digests(shard_set)


def flip_byte(at):
    def change(data):
        data[at] ^= 0xFF
        return data

    return change


def drop(count):
    return lambda data: data[: len(data) - count]


def another_record(data):
    """A shard of as many records and bytes: the first one's photo has another last byte."""
    length = int.from_bytes(data[:8], "little")
    data[12 + length - 3] ^= 1
    head, tail = tfrecord.frame(bytes(data[12 : 12 + length]))
    return head + data[12 : 12 + length] + tail + data[16 + length :]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (flip_byte(0), "altered record header at byte 0"),
        (flip_byte(40), "altered record at byte 0"),
        (drop(3), "cut inside the record"),
        (lambda data: b"", "0 records instead of 6"),
        (lambda data: data + data, "more than 6 records"),
        (another_record, "other bytes: its SHA-256 is another"),
    ],
)
def test_one_pass_refuses_a_shard_that_is_not_the_one_described(tmp_path, change, found):
    shard_set = damaged(tmp_path, change, described=True)
    bad = BadRecords(None)
    with pytest.raises(UserError, match=found) as refusal, plain_errors():
        list(eval_batches(shard_set, size=8, batch_size=4, bad=bad))
    assert "train-00001-of-00002.tfrecord: expected the shard that" in str(refusal.value)
    assert bad.damaged_shard.endswith("train-00001-of-00002.tfrecord")
    assert not bad.report()


@pytest.mark.parametrize("change", [drop(3), drop(10_000_000), lambda data: data + b"0"])
def test_a_shard_of_another_size_is_refused_when_opened(tmp_path, change):
    damaged(tmp_path, change)
    path = tmp_path / "train" / "train-00001-of-00002.tfrecord"
    found = path.stat().st_size
    with pytest.raises(UserError, match=rf"{path}: expected \d+ bytes as .*, found {found}; "):
        open_shards(str(tmp_path / "train"))


def read_all(folder, limit):
    bad = BadRecords(limit)
    with plain_errors():
        batches = list(eval_batches(folder, size=8, batch_size=4, bad=bad))
    ids = [int(i, 16) for b in batches for i in b["image_id"].numpy()]
    return ids, bad


def test_an_altered_record_is_counted_and_skipped(tmp_path):
    ids, bad = read_all(damaged(tmp_path, flip_byte(40)), limit=1)
    assert ids == [n for n in range(12) if n != 6]
    [broken] = bad.report()
    assert broken.path.endswith("train-00001-of-00002.tfrecord")
    assert (broken.position, broken.reason) == (0, "its checksum is wrong")


def test_past_the_limit_the_error_names_shard_and_position(tmp_path):
    folder = damaged(tmp_path, flip_byte(40))
    with pytest.raises(UserError, match=r"train-00001-of-00002\.tfrecord: record 0 is broken"):
        read_all(folder, limit=0)
    batches = train_batches(folder, size=8, batch_size=4)
    with pytest.raises(UserError, match=r"record 0 is broken: its checksum"), plain_errors():
        list(itertools.islice(batches, 6))


def test_any_exception_of_a_decoder_is_a_counted_broken_record(tmp_path, monkeypatch):
    from glrtf.data import host_batches

    def unknown(encoded):
        if encoded == photo(7):
            raise KeyError(6)
        return decode(encoded)

    decode = host_batches.decode_on_host
    monkeypatch.setattr(host_batches, "decode_on_host", unknown)
    ids, bad = read_all(str(write_split(tmp_path / "train", (6, 6))), limit=1)
    assert ids == [n for n in range(12) if n != 7]
    [broken] = bad.report()
    assert (broken.position, broken.image_id) == (1, f"{7:016x}")
    assert broken.reason == "not a JPEG or PNG image (KeyError: 6)"


def test_a_photo_of_odd_sampling_is_a_photo_like_any_other(tmp_path):
    folder = write_split(tmp_path / "train", (6, 6))
    [path] = folder.glob("train-00001-*")
    encoded = sampled([(1, 4), (1, 1), (1, 1)])
    odd = schema.encode_example(encoded, "f" * 16, 1, 101, 50, 70)
    write_shard(path, [odd, *(record(n, n % 5) for n in range(7, 12))])
    describe_again(path.parent)
    ids, bad = read_all(str(folder), limit=0)
    assert ids == [*range(6), int("f" * 16, 16), *range(7, 12)]
    assert not bad.report()


def test_a_cut_shard_is_named_and_its_lost_records_counted(tmp_path):
    folder = damaged(tmp_path, lambda data: data[: len(data) - 3])
    ids, bad = read_all(folder, limit=None)
    assert ids == list(range(11))
    [broken] = bad.report()
    assert (broken.position, broken.reason) == (5, "the shard is cut there, 1 of 6 are lost")


def test_an_altered_header_loses_the_rest_of_the_shard(tmp_path):
    ids, bad = read_all(damaged(tmp_path, flip_byte(0)), limit=None)
    assert ids == list(range(6))
    assert [broken.position for broken in bad.report()] == [0, 1, 2, 3, 4, 5]


def test_an_image_that_does_not_decode_is_counted(tmp_path):
    folder = write_split(tmp_path / "train", [4])

    rows = [record(0), schema.encode_example(b"no jpeg", "f" * 16, 0, 0, 1, 1), record(2), b"?"]
    shard_set = without_digests(open_shards(str(folder)))
    write_shard(folder / "train-00000-of-00001.tfrecord", rows)
    ids, bad = read_all(shard_set, limit=2)
    assert ids == [0, 2]
    assert [(each.position, each.reason, each.image_id) for each in bad.report()] == [
        (1, "not a JPEG or PNG image", "f" * 16),
        (3, "not a record of an image", ""),
    ]


def test_more_records_than_promised_is_an_error(tmp_path):
    folder = write_split(tmp_path / "train", [4])

    shard_set = without_digests(open_shards(str(folder)))
    write_shard(folder / "train-00000-of-00001.tfrecord", [record(n) for n in range(5)])
    with pytest.raises(
        UserError, match=r"expected 4 records as dataset_info\.json says, found more"
    ):
        read_all(shard_set, limit=None)


def test_a_bad_record_met_again_is_counted_once(tmp_path):
    folder = damaged(tmp_path, flip_byte(40))
    bad = BadRecords(1)
    batches = train_batches(folder, size=8, batch_size=11, bad=bad)
    assert sum(1 for _ in itertools.islice(batches, 5)) == 5
    assert len(bad) == 1


def test_more_workers_than_shards_are_refused(tmp_path):
    folder = str(write_split(tmp_path / "train", [4, 4]))
    with pytest.raises(UserError, match="at least one for each of 3 workers, found 2"):
        train_batches(folder, size=8, batch_size=1, num_workers=3)
