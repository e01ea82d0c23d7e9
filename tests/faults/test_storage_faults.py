"""A short run of `storage_campaign.py`: no traceback, nothing wrong."""

import pytest
import storage_faults

from tfrecords_tools.storage import remote


@pytest.mark.parametrize("seed", range(3))
def test_a_storage_fault_is_survived_or_reported_in_one_line(storage, tmp_path, monkeypatch, seed):
    monkeypatch.setattr(remote, "FIRST_DELAY", 0.001)
    work = storage_faults.build(tmp_path)
    outcomes = list(storage_faults.trials(work, storage, f"gs://bucket/out{seed}", 4, seed, 0.3))
    bad = [each for each in outcomes if each.kind in ("traceback", "wrong")]
    assert not bad
    assert len(outcomes) == 4
