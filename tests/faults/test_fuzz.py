"""A short fuzzing of every reader; `fuzz.py` runs for longer."""

import fuzz_targets
import fuzzing
import pytest


@pytest.mark.parametrize("make", fuzz_targets.TARGETS)
def test_a_reader_reads_or_refuses(tmp_path, make):
    found = fuzzing.fuzz(make(tmp_path), seed=0, runs=200)
    assert found.runs == 200
    assert 0 < found.refused < 200  # Both ways are taken.
    assert len(found.answers) > 3


def test_a_fault_is_reported_with_its_input():
    def read(data):
        raise KeyError("no such thing")

    target = fuzzing.Target("broken", [b"seed"], read, (ValueError,))
    with pytest.raises(AssertionError, match=r"broken: KeyError.* for the input b'"):
        fuzzing.fuzz(target, seed=0, runs=1)
