import gzip
import io
import zlib

import pytest

from tfrecords_tools import tfrecord


def _file(*records: bytes) -> bytes:
    parts = []
    for data in records:
        before, after = tfrecord.frame(data)
        parts += [before, data, after]
    return b"".join(parts)


def test_frame_is_what_tensorflow_writes(tmp_path):
    import tensorflow as tf

    records = [b"", b"x", bytes(range(256)) * 40]
    path = str(tmp_path / "by_tensorflow")
    with tf.io.TFRecordWriter(path) as writer:
        for data in records:
            writer.write(data)
    with open(path, "rb") as file:
        assert file.read() == _file(*records)


def test_read_records_returns_what_was_framed():
    records = [b"", b"abc", b"\0" * 1000]
    assert list(tfrecord.read_records(io.BytesIO(_file(*records)))) == records


@pytest.mark.parametrize("position", range(len(_file(b"abc"))))
def test_any_altered_byte_is_found(position):
    altered = bytearray(_file(b"abc"))
    altered[position] ^= 0x10
    with pytest.raises(tfrecord.CorruptRecordError, match="byte 0"):
        list(tfrecord.read_records(io.BytesIO(bytes(altered))))


@pytest.mark.parametrize("length", range(1, len(_file(b"abc"))))
def test_any_cut_is_found_where_it_is(length):
    whole = _file(b"first")
    cut = io.BytesIO(whole + _file(b"abc")[:length])
    with pytest.raises(tfrecord.CorruptRecordError, match=f"cut .* at byte {len(whole)}"):
        list(tfrecord.read_records(cut))


def test_compressed_files_are_distinguished_from_records():
    # A record of 35615 bytes begins with GZIP's two bytes, 1f 8b, and is none.
    alike = _file(b"x" * 0x8B1F)
    assert alike[:2] == b"\x1f\x8b"
    assert tfrecord.compression(alike[:12]) == ""
    assert tfrecord.compression(gzip.compress(alike)[:12]) == "GZIP"
    assert tfrecord.compression(zlib.compress(alike)[:12]) == "ZLIB"
    assert tfrecord.compression(b"") == ""
    assert tfrecord.compression(b"x" * 12) == ""
