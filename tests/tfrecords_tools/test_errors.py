"""Tests of `tfrecords_tools.errors`."""

import pickle

from tfrecords_tools.errors import UserError


def test_a_message_of_several_lines_is_joined_to_one():
    error = UserError('a.yaml: not YAML (bad character\n  in "a.yaml", line 3)\n')
    assert str(error) == 'a.yaml: not YAML (bad character in "a.yaml", line 3)'


def test_a_name_keeps_the_spaces_in_it():
    assert str(UserError("two  spaces.csv: not found")) == "two  spaces.csv: not found"


def test_it_passes_between_processes():
    assert str(pickle.loads(pickle.dumps(UserError("a: b")))) == "a: b"
