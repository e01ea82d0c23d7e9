import numpy as np
import pytest

from glrtf.config.retrieval import RetrieveConfig
from glrtf.tuning.ablation import TimedCache, table_rows
from glrtf.tuning.ablation_steps import Variant

CONFIG = RetrieveConfig(query=["q"], index=["i"], output="o", preset="direct")


def variant(name, in_turn):
    return Variant(name, in_turn, CONFIG)


def test_differences_are_to_the_line_above_or_to_all_steps():
    variants = [
        variant("direct", True),
        variant("+ a", True),
        variant("+ b", True),
        variant("without a", False),
    ]
    precisions = [np.array(v) for v in ([0, 0.5], [0.5, 0.5], [1, 0.5], [0.25, 0.25])]
    usage = np.array(["Public", "Private"])
    rows = table_rows(variants, precisions, [1, 2, 3, 4], usage, resamples=50)
    assert [row.maps for row in rows] == [
        {"Public": 0, "Private": 0.5, "All": 0.25},
        {"Public": 0.5, "Private": 0.5, "All": 0.5},
        {"Public": 1, "Private": 0.5, "All": 0.75},
        {"Public": 0.25, "Private": 0.25, "All": 0.25},
    ]
    # In turn: 0.5 - 0.25, 0.75 - 0.5; left out: 0.25 - 0.75 of all steps together.
    assert [row.difference for row in rows] == [None, 0.25, 0.25, -0.5]
    assert rows[0].difference_interval is None
    low, high = rows[3].difference_interval
    # Of the two queries one loses 0.75, the other 0.25.
    assert low == pytest.approx(-0.75)
    assert high == pytest.approx(-0.25)
    assert [row.seconds for row in rows] == [1, 2, 3, 4]


def test_the_seconds_of_a_search_are_reported_when_it_is_reused(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    def blocks():
        now[0] += 7.0
        yield (np.arange(3),)

    cache = TimedCache(str(tmp_path))
    cache.arrays("search", {"k": 1}, 3, blocks)
    assert cache.saved == 0
    cache.arrays("search", {"k": 1}, 3, blocks)
    # It took no time, and would have taken 7 s alone.
    assert cache.saved == pytest.approx(7)
    # So it does in a later run.
    later = TimedCache(str(tmp_path))
    later.arrays("search", {"k": 1}, 3, blocks)
    assert later.saved == pytest.approx(7)
