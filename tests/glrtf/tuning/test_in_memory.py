import numpy as np
import pytest
from tuning_files import write_inputs

from glrtf.config.retrieval import RetrieveConfig
from glrtf.embeddings.in_memory import InMemoryRows
from glrtf.embeddings.rows import gather_rows
from glrtf.retrieval.inputs import Inputs
from glrtf.retrieval.rerank.dba import AveragedRows
from glrtf.tuning import in_memory
from glrtf.tuning.in_memory import InMemoryInputs
from tfrecords_tools.command import cli


@pytest.fixture
def config(tmp_path):
    flags = [*write_inputs(tmp_path), "--output", str(tmp_path / "out")]
    return cli.parse(RetrieveConfig, flags, prog="retrieve")


def everything(rows):
    return gather_rows(rows, np.arange(len(rows.ids)))


@pytest.mark.parametrize("role", ["query", "index", "images"])
def test_rows_in_memory_are_those_of_the_source(config, role):
    source, rows = getattr(Inputs(config), role), getattr(InMemoryInputs(config), role)
    assert isinstance(rows, InMemoryRows)
    assert rows.part_lengths == source.part_lengths
    assert rows.digest == source.digest
    np.testing.assert_array_equal(rows.ids, source.ids)
    np.testing.assert_array_equal(everything(rows), everything(source))
    read = rows.read(0, 2, 5)
    assert read.dtype == np.float32
    error = np.linalg.norm(read - everything(source)[2:5], axis=1)
    assert (error <= rows.rounding).all()


def averaged(inputs, digest):
    count = len(inputs.query.ids)
    return AveragedRows(
        inputs.query,
        np.arange(count)[:, None],
        np.ones((count, 1)),
        ids=inputs.query.ids,
        name="averaged",
        digest=digest,
    )


def test_rows_made_on_the_way_are_made_once(config, monkeypatch):
    inputs = InMemoryInputs(config)
    first = inputs.kept(averaged(inputs, "1"))
    assert isinstance(first, InMemoryRows)
    assert inputs.kept(averaged(inputs, "1")) is first
    # 12 bytes a number, in float32 and float64. With room for two of them a third one takes
    # the place of the oldest one.
    monkeypatch.setattr(in_memory, "_MOST_BYTES_MADE", 24 * len(first.ids) * first.dimension)
    second = inputs.kept(averaged(inputs, "2"))
    assert inputs.kept(averaged(inputs, "1")) is first
    inputs.kept(averaged(inputs, "3"))
    assert inputs.kept(averaged(inputs, "1")) is first
    assert inputs.kept(averaged(inputs, "2")) is not second


def test_large_sets_stay_where_they_are(config, monkeypatch):
    monkeypatch.setattr(in_memory, "_MOST_BYTES", 10)
    inputs = InMemoryInputs(config)
    assert not isinstance(inputs.index, InMemoryRows)
    rows = averaged(inputs, "1")
    assert inputs.kept(rows) is rows
