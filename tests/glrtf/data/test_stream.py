"""What meets in a batch, and how much is held in memory for it."""

import itertools

import pytest
from shard_writing import write_split

from glrtf.config.data import InputConfig
from glrtf.data import records
from glrtf.data.records import BadRecords
from glrtf.data.shards import open_shards
from glrtf.data.stream import shuffled_records


def stream(folder, buffer, seed=0):
    shard_set = open_shards(str(folder))
    config = InputConfig(shuffle_buffer=buffer, files_at_once=4)
    return shuffled_records(shard_set, config, BadRecords(0), seed)


def places(rows):
    return [(row.shard, row.position) for row in rows]


@pytest.mark.parametrize("buffer", [100, 2048])
def test_other_records_meet_in_each_epoch(tmp_path, buffer):
    """Four shards are all read at once, so nothing but the windows mixes them.

    Of 240 records, 64 drawn twice have 17 in common on average, and hardly ever 40. With a
    buffer of 100 the first 64 come from the first hundred or so: they would share 41.
    """
    folder = write_split(tmp_path / "train", [60] * 4)
    rows = places(itertools.islice(stream(folder, buffer), 240 * 9))
    epochs = [rows[start : start + 240] for start in range(0, len(rows), 240)]
    assert all(len(set(epoch)) == 240 for epoch in epochs)
    shared = [
        len(set(one[:64]) & set(other[:64])) for one, other in itertools.combinations(epochs[1:], 2)
    ]
    assert sum(shared) / len(shared) < (25 if buffer == 2048 else 40)


@pytest.mark.parametrize("buffer", [40, 100])
def test_no_more_than_a_window_is_held(tmp_path, buffer, monkeypatch):
    folder = write_split(tmp_path / "train", [150] * 4)
    taken = 0
    chunks = records.chunks

    def counted(*arguments):
        nonlocal taken
        for chunk in chunks(*arguments):
            taken += len(chunk)
            yield chunk

    monkeypatch.setattr(records, "chunks", counted)
    # Every file's next chunk of 16 is read ahead, in addition to the one being returned.
    most = 0
    for delivered, _ in enumerate(itertools.islice(stream(folder, buffer), 1800), 1):
        most = max(most, taken - delivered)
    assert buffer // 2 < most <= buffer + 5 * 16
