"""JSON files and their seals; whole-file writing is tested where files are written."""

import json

import numpy as np
import pytest

from tfrecords_tools.errors import UserError
from tfrecords_tools.storage import files

_VALUE = {"shards": [{"name": "Ætna", "bytes": 3}], "share": 0.1, "by_label": {2: 1, 10: (4, 5)}}
_READ = {"shards": [{"name": "Ætna", "bytes": 3}], "share": 0.1, "by_label": {"2": 1, "10": [4, 5]}}


def test_what_is_written_is_read(tmp_path):
    path = str(tmp_path / "value.json")
    files.write_json(path, _VALUE)
    assert files.read_json(path) == _READ
    first = (tmp_path / "value.json").read_bytes()
    files.write_json(path, files.read_json(path))
    assert (tmp_path / "value.json").read_bytes() == first


def test_no_flipped_bit_changes_what_is_read(tmp_path):
    path = tmp_path / "value.json"
    files.write_json(str(path), _VALUE)
    whole = path.read_bytes()
    refused = 0
    for bit in range(len(whole) * 8):
        damaged = np.frombuffer(whole, np.uint8).copy()
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged.tobytes())
        try:
            found = files.read_json(str(path))
        except UserError as error:
            assert str(path) in str(error)
            refused += 1
            continue
        # White space may change, and the checksum's name, without which nothing is compared.
        assert {name: found[name] for name in _READ} == _READ
    assert refused > len(whole) * 6


@pytest.mark.parametrize("cut", [0, 1, 20, -3])
def test_a_cut_file_is_refused(tmp_path, cut):
    path = tmp_path / "value.json"
    files.write_json(str(path), _VALUE)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UserError, match=r"value\.json: not a JSON file"):
        files.read_json(str(path))


def test_a_file_without_a_seal_is_taken_as_it_is(tmp_path):
    path = tmp_path / "value.json"
    path.write_text(json.dumps(_READ))
    assert files.read_json(str(path)) == _READ


def test_other_values_than_objects_have_no_seal(tmp_path):
    path = str(tmp_path / "value.json")
    files.write_json(path, [1, "two"])
    assert files.read_json(path) == [1, "two"]
