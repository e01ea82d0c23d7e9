import numpy as np
import pytest

from glrtf.retrieval.stage_cache import StageCache


def blocks_of(array, calls, size=2):
    def blocks():
        calls.append("computed")
        for start in range(0, len(array), size):
            yield array[start : start + size], array[start : start + size, 0] > 3

    return blocks


def test_a_stage_is_computed_once_and_found_again(tmp_path):
    array, calls = np.arange(10.0).reshape(5, 2), []
    for run in range(2):
        cache = StageCache(str(tmp_path))
        first, second = cache.arrays("stage", {"k": 3}, 5, blocks_of(array, calls))
        np.testing.assert_array_equal(first, array)
        np.testing.assert_array_equal(second, array[:, 0] > 3)
        assert isinstance(first, np.memmap) and not first.flags.writeable
        assert cache.reused == (["stage"] if run else [])
        assert cache.seconds["stage"] >= 0
    assert calls == ["computed"]


def test_another_key_is_another_result(tmp_path):
    cache, calls = StageCache(str(tmp_path)), []
    cache.arrays("stage", {"k": 3}, 5, blocks_of(np.zeros((5, 2)), calls))
    (found, _) = cache.arrays("stage", {"k": 4}, 5, blocks_of(np.ones((5, 2)), calls))
    assert len(calls) == 2 and (found == 1).all()


def test_what_broke_off_leaves_nothing_and_is_done_again(tmp_path):
    def broken():
        yield (np.zeros((2, 2)),)
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        StageCache(str(tmp_path)).arrays("stage", {}, 5, broken)
    assert list(tmp_path.iterdir()) == []
    (found,) = StageCache(str(tmp_path)).arrays("stage", {}, 2, lambda: iter([(np.ones((2, 2)),)]))
    assert found.shape == (2, 2)


def test_too_few_rows_are_an_error(tmp_path):
    with pytest.raises(ValueError, match="expected 5 rows, computed 4"):
        StageCache(str(tmp_path)).arrays("stage", {}, 5, blocks_of(np.zeros((4, 2)), []))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["bit", "cut", "gone", "description"])
def test_damaged_results_are_reported_and_computed_again(tmp_path, capsys, damage):
    array, calls = np.arange(10.0).reshape(5, 2), []

    def compute():
        return StageCache(str(tmp_path)).arrays("stage", {}, 5, blocks_of(array, calls))

    compute()
    (path,) = tmp_path.glob("stage-*.json" if damage == "description" else "stage-*-0.npy")
    data = bytearray(path.read_bytes())
    data[-3] ^= 16
    path.unlink()
    if damage != "gone":
        path.write_bytes(data[:-1] if damage == "cut" else data)
    first, second = compute()
    np.testing.assert_array_equal(first, array)
    np.testing.assert_array_equal(second, array[:, 0] > 3)
    assert len(calls) == 2
    assert f"note: {path}: " in capsys.readouterr().err
    compute()
    assert len(calls) == 2
