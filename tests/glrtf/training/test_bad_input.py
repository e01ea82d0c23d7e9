"""Mistakes in data, devices and workdirs: one line, exit code 2."""

import json
import re

import pytest
from shard_writing import write_split

from glrtf.commands import train


def refused(arguments, message, capsys):
    assert train.main(arguments) == 2
    lines = capsys.readouterr().err.splitlines(keepends=True)
    error = "".join(line for line in lines if not line.startswith("note: "))
    assert error.count("\n") == 1, error
    assert re.search(message, error), error


@pytest.fixture
def data(tmp_path):
    write_split(tmp_path / "data" / "train", [4])
    return str(tmp_path / "data")


def test_shards_with_zero_records(tmp_path, capsys):
    write_split(tmp_path / "data" / "train", [0, 0])
    workdir = tmp_path / "run"
    arguments = ["--data", str(tmp_path / "data"), "--workdir", str(workdir), "--strategy", "cpu"]
    refused(arguments, "expected at least one record, found none", capsys)
    assert not workdir.exists()


def test_a_folder_without_shards(tmp_path, capsys):
    arguments = ["--data", str(tmp_path), "--workdir", str(tmp_path / "run")]
    refused(arguments, re.escape(str(tmp_path)), capsys)
    assert list(tmp_path.iterdir()) == []


CLUSTER = {"worker": ["localhost:1", "localhost:2"]}


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, "found nothing"),
        ("{", r"found \{"),
        ("[]", r"found \[\]"),
        (json.dumps({"cluster": CLUSTER}), r'found \{"cluster"'),
        (json.dumps({"cluster": {}, "task": {"type": "worker", "index": 0}}), "with no tasks"),
        (
            json.dumps({"cluster": CLUSTER, "task": {"type": "worker", "index": 2}}),
            "the task worker 2 of a cluster with",
        ),
        (
            json.dumps({"cluster": CLUSTER, "task": {"type": "chief", "index": 0}}),
            "the task chief 0 of a cluster with",
        ),
    ],
)
def test_a_cluster_that_is_none(value, found, data, tmp_path, monkeypatch, capsys):
    if value is None:
        monkeypatch.delenv("TF_CONFIG", raising=False)
    else:
        monkeypatch.setenv("TF_CONFIG", value)
    arguments = ["--data", data, "--workdir", str(tmp_path / "run"), "--strategy", "multiworker"]
    refused(arguments, f"TF_CONFIG: expected .*{found}", capsys)
    assert not (tmp_path / "run").exists()


def test_gpus_that_are_not_there(data, tmp_path, capsys):
    arguments = ["--data", data, "--workdir", str(tmp_path / "run"), "--strategy", "gpu"]
    refused(arguments, "expected at least one GPU for 'gpu', found none", capsys)


@pytest.mark.parametrize("name", ["no-such-tpu", "grpc://localhost:9", "grpc://localhost"])
def test_a_tpu_whose_name_does_not_resolve(name, data, tmp_path, capsys):
    arguments = ["--data", data, "--workdir", str(tmp_path / "run")]
    arguments += ["--strategy", "tpu", "--tpu", name]
    refused(arguments, f"--tpu: expected a TPU named '{name}', could not reach one", capsys)
    assert not (tmp_path / "run").exists()


def test_one_of_several_hosts_of_a_slice_is_no_run_of_its_own(data, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("TPU_NAME", raising=False)
    monkeypatch.setenv("TPU_WORKER_HOSTNAMES", "10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4")
    arguments = ["--data", data, "--workdir", str(tmp_path / "run"), "--strategy", "tpu"]
    refused(arguments, "found one of 4 hosts of a slice .* on worker 0, with --tpu NAME", capsys)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("size", ["16", "100"])
def test_a_size_that_the_network_cannot_take(size, data, tmp_path, capsys):
    arguments = ["--data", data, "--workdir", str(tmp_path / "run"), "--size", size]
    refused(arguments, rf"--size: expected .*, found {size}", capsys)
