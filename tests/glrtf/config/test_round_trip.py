"""Settings written as YAML are the settings read back, whatever they are."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glrtf.config.retrieval import RetrieveConfig
from glrtf.tuning import outcome, search_space
from tfrecords_tools.command import cli


def values_of(parameter):
    if parameter.choices:
        return st.sampled_from(parameter.choices)
    if parameter.is_int:
        return st.integers(int(parameter.low), int(parameter.high))
    return st.floats(parameter.low, parameter.high, allow_subnormal=False)


TUNED = st.fixed_dictionaries(
    {},
    optional={p.name: values_of(p) for p in search_space.SPACE if p.name != "train_neighbors.k"},
)
# Names as people give them to folders.
PATHS = st.text(string.ascii_letters + string.digits + "/._-äé:,#[ ", min_size=1, max_size=12).map(
    lambda text: f"sets/{text}x"
)


def read_back(config_class, text, folder, *more):
    path = folder / "settings.yaml"
    path.write_text(text)
    return cli.parse(config_class, ["--config", str(path), *more], prog="test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("settings")


@settings(deadline=None, max_examples=10)
@given(tuned=TUNED, query=st.lists(PATHS, min_size=1, max_size=3), landmarks=PATHS)
def test_retrieval_settings(folder, tuned, query, landmarks):
    base = RetrieveConfig(query, ["index"], "out", train=["t"], landmarks=landmarks)
    config = search_space.replaced(base, tuned)
    assert read_back(RetrieveConfig, cli.to_yaml(config), folder) == config


@settings(deadline=None, max_examples=6)
@given(tuned=TUNED)
def test_what_tune_leaves_is_what_retrieve_takes(folder, tuned):
    base = RetrieveConfig(["q"], ["i"], "o", train=["t"], landmarks="l")
    config = search_space.replaced(base, tuned)
    inputs = ["--query=q", "--index=i", "--output=o", "--train=t", "--landmarks=l"]
    found = read_back(RetrieveConfig, outcome.best_yaml(config), folder, *inputs)
    for parameter in search_space.SPACE:
        assert search_space.get(found, parameter.name) == search_space.get(config, parameter.name)
