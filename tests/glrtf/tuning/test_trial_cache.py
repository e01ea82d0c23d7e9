import numpy as np
import pytest

from glrtf.tuning import trial_cache
from glrtf.tuning.trial_cache import TrialCache


class Work:
    """Counts how often a stage is computed."""

    def __init__(self):
        self.done = []

    def neighbors(self, k):
        def blocks():
            self.done.append(k)
            yield np.arange(k)[None].repeat(2, axis=0), np.linspace(1, 0, k)[None].repeat(2, axis=0)

        return blocks

    def values(self, number):
        def blocks():
            self.done.append(number)
            yield (np.full(2, number),)

        return blocks


@pytest.fixture
def work():
    return Work()


def search(cache, work, k=0, per_part=0, stage="train_neighbors"):
    width = k or 2 * per_part
    key = {"queries": "q", "k": k, "per_part": per_part}
    return cache.arrays(stage, key, 2, work.neighbors(width))


def test_a_narrow_search_is_cut_from_a_wide_one(tmp_path, work):
    cache = TrialCache(str(tmp_path))
    search(cache, work, k=9)
    indices, scores = search(cache, work, k=4)
    assert work.done == [9]
    np.testing.assert_array_equal(indices, [[0, 1, 2, 3]] * 2)
    assert scores.shape == (2, 4)
    # A wider one is new, and serves from then on.
    search(cache, work, k=12)
    search(cache, work, k=10)
    assert work.done == [9, 12]


def test_a_search_of_each_part_is_cut_too(tmp_path, work):
    cache = TrialCache(str(tmp_path), train_parts=(3, 100))
    search(cache, work, per_part=3)
    indices, _ = search(cache, work, per_part=1)
    assert work.done == [6]
    # Rows 0..2 are of the first part, 3.. of the second.
    np.testing.assert_array_equal(indices, [[0, 3]] * 2)


def test_an_approximate_search_is_never_cut(tmp_path, work):
    cache = TrialCache(str(tmp_path), train_parts=(3, 100), cut=False)
    search(cache, work, k=9)
    search(cache, work, k=4)
    search(cache, work, per_part=3)
    search(cache, work, per_part=1)
    assert work.done == [9, 4, 6, 2]


def test_searches_serve_later_runs_and_other_stages_do_not(tmp_path, work):
    for _ in range(2):
        cache = TrialCache(str(tmp_path))
        search(cache, work, k=9)
        for _ in range(2):
            cache.arrays("landmark_confidences", {"keep": 3}, 2, work.values(3))
    assert work.done == [9, 3, 3]
    names = {path.name.rsplit("-", 2)[0] for path in tmp_path.iterdir()}
    assert all(name.startswith("train_neighbors") for name in names)


def test_the_oldest_results_make_room(tmp_path, work, monkeypatch):
    # Room for two arrays of two int64 numbers each.
    monkeypatch.setattr(trial_cache, "_BYTES_IN_MEMORY", 32)
    cache = TrialCache(str(tmp_path))

    def ask(number):
        (array,) = cache.arrays("landmark_confidences", {"keep": number}, 2, work.values(number))
        np.testing.assert_array_equal(array, [number, number])

    for number in (1, 2, 1, 3, 1, 2):
        ask(number)
    # 3 pushed 2 out, which was the least recently used; 1 stayed.
    assert work.done == [1, 2, 3, 2]
