"""Reading records from shards, with every broken one accounted for.

`tf.data.TFRecordDataset` cannot be used here: after a broken record it drops
the rest of the file, and its error names neither the file nor the record.
"""

import dataclasses
import struct
import threading
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from glrtf.data.shards import CHUNK, Shard, ShardSet
from tfrecords_tools import files, tfrecord
from tfrecords_tools.errors import UserError

Dataset: TypeAlias = tf.data.Dataset


@dataclasses.dataclass(frozen=True, order=True)
class BadRecord:
    """One broken record.

    Attributes:
        path: Its shard.
        position: Where in it, from 0.
        reason: What is wrong.
        image_id: Whose image it is; empty where that cannot be read.
    """

    path: str
    position: int
    reason: str
    image_id: str = ""


class BadRecords:
    """Counts broken records, and gives up past a limit.

    Args:
        limit: How many different ones may be skipped; None for any number.
    """

    def __init__(self, limit: int | None = 0) -> None:
        self._limit = limit
        self._known: dict[tuple[str, int], BadRecord] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._known)

    def report(self) -> list[BadRecord]:
        """All of them, by shard and position."""
        with self._lock:
            return sorted(self._known.values())

    def add(self, record: BadRecord, count: int = 1) -> None:
        """Notes `count` broken records from this one on; again seen, counted once.

        Raises:
            UserError: If there are now more than the limit.
        """
        with self._lock:
            for position in range(record.position, record.position + count):
                each = dataclasses.replace(record, position=position)
                self._known.setdefault((record.path, position), each)
            total = len(self._known)
        if self._limit is not None and total > self._limit:
            image = f" (image {record.image_id})" if record.image_id else ""
            raise UserError(
                f"{record.path}: record {record.position}{image} is broken: {record.reason};"
                f" {total} broken so far where max_bad_records is {self._limit}; build the shard"
                " again or raise the limit"
            )


def read_shard(shard: Shard, start: int, bad: BadRecords) -> Iterator[tuple[int, bytes]]:
    """Yields the position and data of a shard's records, checksums verified.

    Args:
        shard: The file and how many records it must hold.
        start: The first position wanted; those before are hopped over unread.
        bad: Takes note of records that are altered or cut off.

    Raises:
        UserError: If the file holds another number of records than it must.
    """
    with files.open_read(shard.path) as file:
        for position in range(shard.num_examples):
            header = file.read(12)
            length, crc = struct.unpack("<QI", header) if len(header) == 12 else (0, -1)
            if tfrecord.masked_crc(header[:8]) != crc:
                missing = shard.num_examples - position
                what = "altered" if len(header) == 12 else "cut"
                reason = f"the shard is {what} there, {missing} of {shard.num_examples} are lost"
                return bad.add(BadRecord(shard.path, position, reason), missing)
            if position < start:
                file.seek(length + 4, 1)
                continue
            body = file.read(length + 4)
            if len(body) < length + 4:
                missing = shard.num_examples - position
                reason = f"the shard is cut there, {missing} of {shard.num_examples} are lost"
                return bad.add(BadRecord(shard.path, position, reason), missing)
            data = body[:length]
            if tfrecord.masked_crc(data) != struct.unpack("<I", body[length:])[0]:
                bad.add(BadRecord(shard.path, position, "its checksum is wrong"))
                continue
            yield position, data
        if file.read(1):
            raise UserError(
                f"{shard.path}: expected {shard.num_examples} records as dataset_info.json says,"
                " found more; build the shards again"
            )


@tf.autograph.experimental.do_not_convert
def chunks(shard_set: ShardSet, index: Any, start: Any, bad: BadRecords) -> Dataset:
    """A shard's records in chunks of at most `shards.CHUNK`, cut at multiples of it.

    Args:
        shard_set: The shards.
        index: Scalar int64, which shard.
        start: Scalar int64, the first record wanted.
        bad: Takes note of broken records.

    Returns:
        Elements (data string (n,), shard index int64 (n,), position int64 (n,)).
    """

    def generate(index: int, start: int) -> Iterator[tuple[Any, Any, Any]]:
        data: list[bytes] = []
        positions: list[int] = []
        for position, record in read_shard(shard_set.shards[index], int(start), bad):
            if positions and position // CHUNK != positions[0] // CHUNK:
                yield _as_arrays(data, index, positions)
                data, positions = [], []
            data.append(record)
            positions.append(position)
        if positions:
            yield _as_arrays(data, index, positions)

    several = tf.TensorSpec([None], tf.int64)
    signature = (tf.TensorSpec([None], tf.string), several, several)
    return tf.data.Dataset.from_generator(generate, args=(index, start), output_signature=signature)


def _as_arrays(data: list[bytes], index: int, positions: list[int]) -> tuple[Any, Any, Any]:
    return (
        np.array(data, dtype=object),
        np.full(len(data), index, np.int64),
        np.array(positions, np.int64),
    )
