import pytest

from glrtf.config.retrieval import RetrieveConfig
from glrtf.tuning import search_space
from tfrecords_tools.errors import UserError


def config(**changes):
    inputs = {"query": ["q"], "index": ["i"], "output": "o", "train": ["t"], "landmarks": "l.csv"}
    return RetrieveConfig(**(inputs | changes))


def test_every_parameter_is_a_setting_and_its_published_value_lies_inside():
    base = config(non_landmark=["n"])
    for parameter in search_space.SPACE:
        assert search_space.current_values(base, [parameter]) is not None, parameter.name


def test_only_what_matters_is_tuned():
    def names(settings):
        return {parameter.name for parameter in search_space.parameters_for(settings)}

    assert "landmark.non_landmark_weight" not in names(config())
    assert "landmark.non_landmark_weight" in names(config(non_landmark_solution="s.csv"))
    assert names(config(preset="direct")) == {"query_expansion.n", "query_expansion.alpha"}
    assert {"dba.rows", "dba.n", "dba.alpha"} <= names(config(preset="direct_dba"))
    diffused = search_space.replaced(config(), {"rerank.method": "diffusion"})
    assert "rerank.gamma" in names(diffused)
    assert "rerank.k1" not in names(diffused)
    assert "train_neighbors.k" not in names(config())


def test_replaced_settings():
    base = config()
    other = search_space.replaced(base, {"landmark.keep": 9, "landmark.per_landmark": 1})
    assert (other.landmark.keep, other.landmark.per_landmark) == (9, 1)
    assert search_space.replaced(base, {"label_vote_weight": 0.5}).label_vote_weight == 0.5
    assert other.landmark.best_bonus == base.landmark.best_bonus
    assert base.landmark.keep == 5


def test_a_value_outside_its_range_cannot_start():
    base = search_space.replaced(config(), {"landmark.keep": 500})
    assert search_space.current_values(base, search_space.parameters_for(base)) is None


def test_unknown_parameter():
    with pytest.raises(UserError, match="cannot be tuned; known are"):
        search_space.parameters_for(config(), ["zzz"])
