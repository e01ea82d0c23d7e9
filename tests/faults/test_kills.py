"""A few kills of the quick commands; `campaign.py` makes hundreds."""

import fault_works
import kills
import pytest


@pytest.mark.parametrize("name", ["build", "retrieve", "tune"])
def test_killed_and_resumed(tmp_path, name):
    (tmp_path / "inputs").mkdir()
    work = getattr(fault_works, name)(tmp_path / "inputs")
    done = kills.campaign(work, tmp_path, kills=3, in_a_row=2, seed=0)
    assert done.kills == 3 and done.finished >= 2
