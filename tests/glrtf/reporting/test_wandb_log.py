"""Weights & Biases without its servers."""

import os
import subprocess
import sys

import pytest

_SCRIPT = """
import sys
from glrtf.reporting import wandb_log
measures = {"All": {"queries": 3, "map@100": 0.5, "map@100_interval": [0.25, 0.75]}}
wandb_log.log_report("landmarks", "first", measures, {"preset": "direct"}, sys.argv[1])
"""


def test_a_run_kept_on_the_disk(tmp_path):
    pytest.importorskip("wandb", reason="needs the extra [wandb]")
    report = tmp_path / "report"
    report.mkdir()
    (report / "index.html").write_text("<h1>a report</h1>")
    places = ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR")
    settings = {"WANDB_MODE": "offline"} | {name: str(tmp_path) for name in places}
    # A process of its own: the run is on the disk whole when it ends.
    command = [sys.executable, "-c", _SCRIPT, str(report)]
    subprocess.run(command, env=os.environ | settings, check=True, capture_output=True)
    (kept,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    content = kept.read_bytes()
    assert b"landmarks" in content
    assert b"all/map@100" in content
    assert b"report-first" in content
