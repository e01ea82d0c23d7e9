"""What commands keep for a later run, cut at 50 places and with 50 bits flipped.

As in `test_damaged_files.py`: refused by name, or the same result as from undamaged files.
"""

import contextlib
import os

import numpy as np
import pytest
from damage import NUM_CUTS, NUM_FLIPS, assert_refused, damaged
from tiny_gldv2 import write_train
from tuning_files import write_inputs

from glrtf.commands import whiten
from glrtf.config.search import SearchConfig
from glrtf.embeddings.rows import ArrayRows, normalized
from glrtf.retrieval.search import backends
from glrtf.retrieval.stage_cache import StageCache
from glrtf.training.callbacks import CsvLogger
from glrtf.tuning import ablation_table
from glrtf.tuning.ablation import Row
from tfrecords_tools import beam_runner, gldv2, images, scans
from tfrecords_tools.command import cli
from tfrecords_tools.errors import UserError
from tfrecords_tools.sharding import Images
from tfrecords_tools.storage import files
from tfrecords_tools.writer import ShardSpec

_ALL = NUM_CUTS + NUM_FLIPS


def _equal(one, other) -> bool:
    return one == other


def _all_equal(one, other) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_an_ablation(tmp_path):
    rows = [
        Row("direct", True, {"All": 0.25}, (0.125, 0.5), None, None, 1.5),
        Row("+ DBA", True, {"All": 0.5}, (0.25, 0.75), 0.25, (0.125, 0.5), 2.5),
    ]
    ablation_table.write_tables(rows, str(tmp_path))
    path = tmp_path / "ablation.json"
    assert assert_refused(path, lambda: ablation_table.read_rows(str(tmp_path)), _equal) >= 80


@pytest.mark.parametrize("name", ["whitening.npz", "whitening.json"])
def test_a_whitening(tmp_path, name):
    pytest.importorskip("sklearn", reason="glrtf whiten needs scikit-learn")
    write_inputs(tmp_path)
    sets = {"train": "train", "query": "test", "index": "index", "output": "out"}
    flags = [f"--{flag}={tmp_path / folder}" for flag, folder in sets.items()]
    assert whiten.main([*flags, "--dimension=5"]) == 0
    config = cli.parse(whiten.WhitenConfig, [*flags, "--dimension=5"], prog="test")

    def read():
        whiten.whiten(config)
        return (tmp_path / "out" / "query" / "embedding_set.json").read_bytes()

    path = tmp_path / "out" / name
    assert assert_refused(path, read, _equal, named=tmp_path / "out") >= 80


def _rows(count: int, seed: int) -> ArrayRows:
    return ArrayRows(normalized(np.random.default_rng(seed).normal(size=(count, 8))))


@pytest.mark.parametrize("ending", [".json", "-0.npy", "-1.npy"])
def test_a_cached_stage_is_computed_again(tmp_path, capsys, ending):
    array = np.random.default_rng(0).normal(size=(9, 5))

    def read():
        blocks = lambda: iter([(array, array[:, 0] > 0)])  # noqa: E731
        return [*map(np.array, StageCache(str(tmp_path)).arrays("stage", {"k": 1}, 9, blocks))]

    read()
    (path,) = (each for each in tmp_path.iterdir() if each.name.endswith(ending))
    expected, whole = read(), path.read_bytes()
    for what, data in damaged(whole):
        path.unlink()  # Maps of it may still be open.
        path.write_bytes(data)
        assert _all_equal(read(), expected), what
        assert path.read_bytes() == whole or ending == ".json"
    assert capsys.readouterr().err.count("is computed again") >= 90


@pytest.mark.parametrize("ending", [".annoy", ".annoy.json"])
def test_an_annoy_index(tmp_path, ending):
    pytest.importorskip("annoy")
    queries, database = _rows(3, 1), _rows(50, 2)
    config = SearchConfig(backend="annoy", annoy_trees=2)

    def read():
        blocks = backends.search_blocks(queries, database, 5, 0, config, str(tmp_path), "search")
        found = [(block.indices, block.scores) for block in blocks]
        return [each for pair in found for each in pair]

    read()
    (path,) = (each for each in tmp_path.iterdir() if each.name.endswith(ending))
    assert assert_refused(path, read, _all_equal, named=tmp_path) >= 80


def _scan(root):
    layout = gldv2.find_layout(str(root / "gldv2"), "train")
    job = scans.ScanJob(layout, layout.tars[0], True, str(root / "memory"))
    scan = scans.scan_tar(job)
    if scan.fault:
        raise UserError(f"{root / 'gldv2' / 'train' / scan.tar}: {scan.fault}")
    return scan.members.tolist(), scan.digest, scan.foreign


def test_a_published_tar(tmp_path):
    write_train(tmp_path / "gldv2", 12)
    path = tmp_path / "gldv2" / "train" / "images_000.tar"

    def read():
        for name in os.listdir(tmp_path / "memory") if (tmp_path / "memory").exists() else ():
            (tmp_path / "memory" / name).unlink()
        return _scan(tmp_path)

    assert assert_refused(path, read, _equal) == _ALL


def test_what_is_remembered_of_a_tar(tmp_path):
    write_train(tmp_path / "gldv2", 12)
    _scan(tmp_path)
    (path,) = (tmp_path / "memory").rglob("*.npz")
    assert assert_refused(path, lambda: _scan(tmp_path), _equal) >= 60


def test_a_specification_for_beam(tmp_path):
    columns = (np.uint64, np.int32, np.int32, np.uint64, np.uint32, np.uint32)
    spec = ShardSpec(
        name="train-00001-of-00003.tfrecord",
        folder=str(tmp_path),
        layout=gldv2.Layout("train", "root", "root/train", ("images_000.tar",)),
        images=Images(*(np.arange(6).astype(kind) for kind in columns)),
        landmark_ids=np.arange(6),
        settings=images.ImageSettings(),
        digest="d" * 64,
        fresh=np.ones(6, bool),
        base="b" * 64,
    )
    path = beam_runner.save_spec(spec)

    def read():
        return repr(beam_runner.load_spec(path))

    assert assert_refused(tmp_path / os.path.relpath(path, tmp_path), read, _equal) >= 50


def test_the_log_of_a_run_is_read_or_refused(tmp_path):
    """It is for people and carries no checksum; nothing is worked out from it."""
    path = tmp_path / "train.csv"
    log = CsvLogger(str(path))
    for update in range(1, 9):
        log.scalars(update, {"loss": 1 / update, "images": 4 * update})
    for _, data in damaged(path.read_bytes()):
        path.write_bytes(data)
        with contextlib.suppress(UserError):
            CsvLogger(str(path), 20)


@pytest.mark.parametrize("name", ["plan.json", "seconds.json", "scores.json"])
def test_any_object_in_json(tmp_path, name):
    path = tmp_path / name
    value = {"model": "m", "sizes": [1, 2.5], "of": {"a": None, "b": "ü"}}
    files.write_json(str(path), value)

    def read():
        # A damaged name of the checksum is one more key.
        return {name: files.read_json(str(path)).get(name) for name in value}

    assert assert_refused(path, read, _equal) >= 80
