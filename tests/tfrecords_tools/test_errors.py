"""Tests of `tfrecords_tools.errors`."""

import json
import pickle
import sys

import pytest

from tfrecords_tools.errors import UserError, optional_package


def test_a_message_of_several_lines_is_joined_to_one():
    error = UserError('a.yaml: not YAML (bad character\n  in "a.yaml", line 3)\n')
    assert str(error) == 'a.yaml: not YAML (bad character in "a.yaml", line 3)'


def test_a_name_keeps_the_spaces_in_it():
    assert str(UserError("two  spaces.csv: not found")) == "two  spaces.csv: not found"


def test_it_passes_between_processes():
    assert str(pickle.loads(pickle.dumps(UserError("a: b")))) == "a: b"


def test_a_missing_package_is_named_with_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UserError) as error:
        optional_package("h5py", "reading HDF5 files", "h5py", "rows", instead="write .npy files")
    assert str(error.value) == (
        "reading HDF5 files needs h5py, which is not installed: in the project's folder, pip"
        " install -c constraints.txt '.[rows]'; or write .npy files"
    )
    assert optional_package("json", "x", "json", "rows") is json
