"""What Cloud Storage or the network does wrong ends in one line, or is read again."""

import gzip
import random

import pytest
from storage_emulator import Fault
from tiny_gldv2 import files_below, image_id, member, write_tar, write_train

from tfrecords_tools import build, gldv2, readers, scans
from tfrecords_tools.build import BuildConfig
from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files, local_copies, remote

_ROOT = "gs://bucket"
_PAGE = b"<html><body>Sign in to continue</body></html>"
_FOR_GOOD = 10**6


@pytest.fixture
def gate(storage, monkeypatch, tmp_path):
    """The emulator, quick new tries, a bucket that holds x."""
    monkeypatch.setattr(remote, "FIRST_DELAY", 0.001)
    monkeypatch.setattr(remote, "DEADLINE", 600.0)
    monkeypatch.setenv("TFRECORDS_TOOLS_CACHE", str(tmp_path / "copies"))
    files.write_bytes(f"{_ROOT}/x", b"0123456789")
    storage.requests.clear()
    yield storage
    storage.faults.clear()
    for name in [name for name, _ in files.walk(_ROOT)]:
        files.delete(f"{_ROOT}/{name}")


def _give_up_soon():
    """For faults that last; those that pass must not fail because the machine is slow."""
    remote.DEADLINE = 0.2  # Restored with what `gate` has patched.


def _read_open():
    with files.open_read(f"{_ROOT}/x") as file:
        return file.read()


_OPERATIONS = {
    "looking it up": lambda: files.state(f"{_ROOT}/x"),
    "listing it": lambda: files.list_names(_ROOT),
    "reading it": lambda: files.read_bytes(f"{_ROOT}/x"),
    "reading 4 bytes at 2": lambda: remote.read_range(f"{_ROOT}/x", 2, 4),
    "writing it": lambda: files.write_bytes(f"{_ROOT}/x", b"other"),
    "deleting it": lambda: files.delete(f"{_ROOT}/x"),
}
_ONLY = {"writing it": "POST", "deleting it": "DELETE"}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 429, 500, 503])
@pytest.mark.parametrize("operation", _OPERATIONS)
def test_every_status_is_one_line_that_names_object_operation_and_status(gate, operation, status):
    _give_up_soon()
    gate.faults = [Fault(_ONLY.get(operation, "GET"), _FOR_GOOD, status=status)]
    if status == 404 and operation in ("looking it up", "deleting it"):
        _OPERATIONS[operation]()  # It is not there, which is an answer.
        return
    with pytest.raises(UserError) as caught:
        _OPERATIONS[operation]()
    message = str(caught.value)
    assert message.startswith(f"{_ROOT}") and "\n" not in message
    if status == 412 and operation == "writing it":
        assert "another builder wrote other bytes there meanwhile" in message
        return
    # After a 401 the client signs in again, which the emulator's users cannot.
    assert operation in message and (str(status) in message or status == 401)
    assert "; " in message, "what to do is missing"
    # What may pass is tried again, all else is not.
    most = max(gate.requests.count(line) for line in gate.requests)
    assert (most > 1) == (status in (429, 500, 503))


@pytest.mark.parametrize("operation", _OPERATIONS)
def test_a_page_in_place_of_an_answer_is_not_taken_for_one(gate, operation):
    _give_up_soon()
    gate.faults = [Fault(_ONLY.get(operation, "GET"), _FOR_GOOD, status=200, body=_PAGE)]
    if operation == "reading 4 bytes at 2":  # A range carries nothing to compare with.
        assert remote.read_range(f"{_ROOT}/x", 2, 4) == _PAGE
        return
    with pytest.raises(UserError, match=rf"^{_ROOT}.*({operation}|looking it up)"):
        _OPERATIONS[operation]()


@pytest.mark.parametrize("read", [_OPERATIONS["reading it"], _read_open], ids=["whole", "open"])
@pytest.mark.parametrize("how", ["alter", "cut", "truncate"])
def test_spoiled_bytes_are_read_again_and_then_refused(gate, how, read):
    gate.faults = [Fault("alt=media", 2, spoil=how)]
    assert read() == b"0123456789"
    _give_up_soon()
    gate.faults = [Fault("alt=media", _FOR_GOOD, spoil=how)]
    with pytest.raises(UserError, match=rf"^{_ROOT}/x: .*run the same command again"):
        read()


def test_an_answer_without_checksum_is_compared_all_the_same(gate):
    """A page with status 200, once: read again."""
    gate.faults = [Fault("alt=media", 1, status=200, body=_PAGE)]
    assert files.read_bytes(f"{_ROOT}/x") == b"0123456789"


@pytest.mark.parametrize("piece", [1, 3, 10, 100])
def test_the_last_piece_is_held_back_until_all_fit(gate, piece):
    data = random.Random(0).randbytes(10)
    files.write_bytes(f"{_ROOT}/x", data)
    with files.open_read(f"{_ROOT}/x") as file:
        # Pieces as small as the test's file allows.
        found = b"".join(iter(lambda: file.raw.read(piece), b""))
    assert found == data
    gate.faults = [Fault("alt=media", 1, spoil="alter")]
    with files.open_read(f"{_ROOT}/x") as file:
        pieces = iter(lambda: file.raw.read(piece), b"")
        if piece >= len(data):  # Nothing was handed out yet: read again.
            assert b"".join(pieces) == data
        else:
            with pytest.raises(UserError, match="do not match the checksum"):
                list(pieces)


def test_places_may_be_looked_up_in_any_order(gate):
    with files.open_read(f"{_ROOT}/x") as file:
        assert file.seek(-2, 2) == 8 and file.read() == b"89"
        assert file.seek(1) == 1 and file.read(2) == b"12"
        assert file.seek(2, 1) == 5 and file.read(1) == b"5"
        assert file.seek(0) == 0 and file.read() == b"0123456789"


def test_an_object_that_is_replaced_while_it_is_read_is_not_mixed(gate):
    with files.open_read(f"{_ROOT}/x") as file:
        assert file.raw.read(5) == b"01234"
        files.write_bytes(f"{_ROOT}/x", b"abcdefghij")
        with pytest.raises(UserError, match="replaced or deleted while it was read"):
            file.raw.read(5)


@pytest.mark.parametrize("bucket", ["", "Upper", "a", "with space", "-x-", "a" * 230, "ends-"])
def test_a_bad_bucket_name_is_one_line(gate, monkeypatch, bucket):
    operations = (files.exists, files.state, files.list_names, files.read_bytes, files.delete)
    with monkeypatch.context() as nobody_signs_in:
        nobody_signs_in.setattr(remote, "client", None)
        for operation in operations:
            with pytest.raises(UserError, match=r"expected gs://BUCKET/NAME.*found '"):
                operation(f"gs://{bucket}/x")
    assert not gate.requests


def test_a_failed_download_returns_its_connection(gate):
    """Which would otherwise stay open until Python collects the answer."""
    files.read_bytes(f"{_ROOT}/x")
    before = gate.connections
    gate.faults = [Fault("alt=media", 3, status=503)]
    assert files.read_bytes(f"{_ROOT}/x") == b"0123456789"
    gate.faults = [Fault("alt=media", 1, status=403)]
    with pytest.raises(UserError, match="403"):
        remote.read_range(f"{_ROOT}/x", 2, 4)
    assert gate.connections == before


def test_a_bucket_alone_is_no_object(gate):
    with pytest.raises(UserError, match="expected a name after the bucket"):
        files.read_bytes(_ROOT)


def _put(name, data, **metadata):
    blob = remote.client().bucket("bucket").blob(name)
    for key, value in metadata.items():
        setattr(blob, key, value)
    blob.upload_from_string(data)


def test_objects_that_stand_for_folders_are_no_files(gate):
    for name in ("out/", "out/sub/", "out/sub/deep/"):
        _put(name, b"")
    assert files.list_names(f"{_ROOT}/out") == ["sub"]
    assert files.list_names(f"{_ROOT}/out/sub/deep") == []
    assert list(files.walk(f"{_ROOT}/out")) == []
    assert files.states(f"{_ROOT}/out") == {}
    with pytest.raises(UserError, match="no such folder"):
        files.list_names(f"{_ROOT}/other")


def test_a_folder_made_in_the_console_is_an_empty_output(gate, tmp_path):
    write_train(tmp_path / "gldv2", 4, num_tars=1)
    _put("out/train/", b"")
    settings = {"splits": ["train"], "num_shards": 1, "workers": 1}
    build.build(BuildConfig(str(tmp_path / "gldv2"), f"{_ROOT}/out", **settings))
    assert files.exists(f"{_ROOT}/out/train/dataset_info.json")


def test_states_come_from_one_listing(gate):
    files.write_bytes(f"{_ROOT}/f/y", b"yy")
    files.write_bytes(f"{_ROOT}/f/z/deeper", b"")
    gate.requests.clear()
    assert files.states(f"{_ROOT}/f") == {"y": files.state(f"{_ROOT}/f/y")}
    assert len(gate.requests) == 2  # The listing, and the state asked for here.
    with pytest.raises(UserError, match="no such folder"):
        files.states(f"{_ROOT}/none")


def test_what_is_stored_compressed_is_read_decompressed(gate):
    plain = b"".join(b"%d,some words\n" % number for number in range(10_000))
    _put("table.csv", gzip.compress(plain), content_encoding="gzip")
    assert files.read_bytes(f"{_ROOT}/table.csv") == plain
    with files.open_read(f"{_ROOT}/table.csv") as file:
        assert file.read() == plain
        assert file.seek(5) == 5 and file.read(4) == plain[5:9]
        assert file.seek(0, 2) == len(plain)
    _give_up_soon()
    gate.faults = [Fault("alt=media", _FOR_GOOD, spoil="alter")]
    with pytest.raises(UserError, match="do not match the checksum"):
        files.read_bytes(f"{_ROOT}/table.csv")


def test_what_only_says_it_is_compressed_is_named(gate):
    _put("table.csv", b"id,landmark_id\n", content_encoding="gzip")
    with pytest.raises(UserError, match=r"table\.csv: its Content-Encoding is gzip, but"):
        files.read_bytes(f"{_ROOT}/table.csv")
    with (
        pytest.raises(UserError, match=r"table\.csv: its Content-Encoding is gzip, but"),
        files.open_read(f"{_ROOT}/table.csv") as file,
    ):
        file.read()


def test_what_needs_a_memory_map_is_not_stored_compressed(gate):
    _put("rows.npy", gzip.compress(b"rows"), content_encoding="gzip")
    with pytest.raises(UserError, match=r"rows\.npy: expected a file stored as it is, found"):
        local_copies.local_copy(f"{_ROOT}/rows.npy")


def test_a_local_copy_is_fetched_again_where_it_was_altered(gate):
    gate.faults = [Fault("alt=media", 1, spoil="alter")]
    with open(local_copies.local_copy(f"{_ROOT}/x"), "rb") as file:
        assert file.read() == b"0123456789"


@pytest.fixture
def tar(gate, tmp_path):
    """A tar of three images of 700 bytes in the bucket, and its layout."""
    members = [(member(image_id(n)), random.Random(n).randbytes(700)) for n in range(3)]
    write_tar(tmp_path / "gldv2" / "train" / "images_000.tar", members)
    for name, data in files_below(tmp_path / "gldv2").items():
        files.write_bytes(f"{_ROOT}/gldv2/{name}", data)
    gate.requests.clear()
    return gldv2.find_layout(f"{_ROOT}/gldv2", "train"), dict(members)


def _scan(layout, memory):
    return scans.scan_tar(scans.ScanJob(layout, "images_000.tar", True, str(memory)))


def test_a_tar_altered_on_the_way_is_read_again_and_never_indexed(gate, tar, tmp_path):
    layout, _ = tar
    expected = _scan(layout, tmp_path / "sound")
    gate.faults = [Fault("alt=media", 2, spoil="alter")]
    found = _scan(layout, tmp_path / "memory")
    assert found.members.tolist() == expected.members.tolist()
    _give_up_soon()
    gate.faults = [Fault("alt=media", _FOR_GOOD, spoil="alter")]
    with pytest.raises(UserError, match=r"images_000\.tar: its bytes do not match the checksum"):
        _scan(layout, tmp_path / "other")


def test_an_image_altered_on_the_way_is_read_again_and_never_packed(gate, tar, tmp_path):
    layout, images = tar
    scan = _scan(layout, tmp_path / "memory")
    read = dict(_images(layout, scan))
    assert read == {int(name[6:22], 16): data for name, data in images.items()}
    gate.faults = [Fault("alt=media", 2, spoil="alter")]
    assert dict(_images(layout, scan)) == read
    _give_up_soon()
    gate.faults = [Fault("alt=media", _FOR_GOOD, spoil="alter")]
    with pytest.raises(UserError, match=r"images_000\.tar: expected the 700 bytes at 512 that"):
        list(_images(layout, scan))


def _images(layout, scan):
    """Image id and bytes of all members, as the builder reads them."""
    import numpy as np

    from tfrecords_tools.sharding import Images

    none = np.zeros(len(scan.members), np.int32)
    columns = (scan.members["offset"], scan.members["size"], scan.checksums)
    data = readers.read_images(layout, Images(scan.members["id"], none, none, *columns))
    return zip(scan.members["id"].tolist(), data, strict=True)


def test_a_tar_index_of_an_earlier_release_is_rebuilt(gate, tar, tmp_path):
    """It holds no checksums of the images."""
    import io
    import json

    import numpy as np

    layout, _ = tar
    expected = _scan(layout, tmp_path / "memory")
    path = tmp_path / "memory" / "images_000.npz"
    with np.load(path) as stored:
        about = json.loads(stored["about"].tobytes())
        del about["key"]["checksums"]
        old = io.BytesIO()
        kept = np.frombuffer(json.dumps(about).encode(), np.uint8)
        np.savez(old, about=kept, members=stored["members"])
    path.write_bytes(old.getvalue())
    assert scans.recall(str(tmp_path / "memory"), "images_000.tar").checksums.tolist() == [0] * 3
    assert _scan(layout, tmp_path / "memory").checksums.tolist() == expected.checksums.tolist()
    assert all(expected.checksums)


def test_a_tar_stored_compressed_is_a_bad_tar(gate, tmp_path):
    _put("gldv2/train/images_000.tar", gzip.compress(bytes(5000)), content_encoding="gzip")
    layout = gldv2.find_layout(f"{_ROOT}/gldv2", "train")
    assert "stored with Content-Encoding gzip" in _scan(layout, tmp_path).fault


def test_large_tars_are_read_in_blocks(gate, tar, tmp_path, monkeypatch):
    """Blocks of 512 bytes, so that images, headers and the end lie in many."""
    from tfrecords_tools.storage import checked_reading

    layout, _ = tar
    expected = _scan(layout, tmp_path / "whole")
    monkeypatch.setattr(checked_reading, "_BLOCK", 512)
    found = _scan(layout, tmp_path / "blocks")
    assert found.members.tolist() == expected.members.tolist()
    assert found.checksums.tolist() == expected.checksums.tolist()
