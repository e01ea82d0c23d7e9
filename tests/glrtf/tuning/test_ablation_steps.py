import pytest

from glrtf.config.retrieval import RetrieveConfig
from glrtf.tuning.ablation_steps import variants
from glrtf.tuning.search_space import replaced
from tfrecords_tools.errors import UserError


def config(**changes):
    inputs = {"query": ["q"], "index": ["i"], "output": "o", "train": ["t"], "landmarks": "l.csv"}
    return RetrieveConfig(**(inputs | changes))


def test_augmentation_alone():
    base = config(preset="direct_dba")
    direct, added, left_out = variants(base)
    assert [v.name for v in (direct, added, left_out)] == [
        "direct similarity",
        "+ DBA",
        "without DBA",
    ]
    assert added.settings == base
    assert direct.settings.dba.rows == left_out.settings.dba.rows == "none"
    assert direct.settings == left_out.settings


def test_in_turn_it_begins_with_nothing_and_ends_with_the_settings():
    base = replaced(config(non_landmark=["n"]), {"query_expansion.n": 3})
    in_turn = [v for v in variants(base) if v.in_turn]
    first, last = in_turn[0].settings, in_turn[-1].settings
    assert last == base
    assert (first.preset, first.dba.rows, first.query_expansion.n) == ("direct_dba", "none", 0)
    assert "+ non-landmark penalty" in [v.name for v in in_turn]
    # Before bridging is switched on nothing of it is.
    names = [v.name for v in in_turn]
    bridged = [v.settings.bridged for v in in_turn]
    assert bridged == [False] * names.index("+ bridging") + [True] * (
        len(names) - names.index("+ bridging")
    )


def test_left_out_steps_differ_from_the_whole_in_one_thing():
    base = config()
    left_out = {v.name: v.settings for v in variants(base) if not v.in_turn}
    assert left_out["without bonus of the best landmark"] == replaced(
        base, {"landmark.best_bonus": 0.0}
    )
    assert left_out["without powers in the fusion"] == replaced(
        base, {"fusion.direct_power": 1.0, "fusion.bridge_power": 1.0}
    )
    assert not left_out["without bridging"].bridged
    assert "without non-landmark penalty" not in left_out


def test_nothing_to_leave_out():
    with pytest.raises(UserError, match="expected steps to switch off"):
        variants(config(preset="direct"))
