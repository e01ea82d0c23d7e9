"""The settings of a ranking are those of glrtf retrieve; where a search keeps its results."""

import dataclasses
import os
from pathlib import Path

import pytest

from glrtf.config.paths import cache_folder
from glrtf.config.ranking import RankingSettings
from glrtf.config.retrieval import RetrieveConfig


def settings_of(config_class):
    """Type and default of each setting; a default made by a factory is made."""
    return {
        each.name: (
            each.type,
            each.default if each.default_factory is dataclasses.MISSING else each.default_factory(),
        )
        for each in dataclasses.fields(config_class)
    }


def test_a_ranking_has_the_types_and_defaults_of_retrieve():
    of_retrieve = settings_of(RetrieveConfig)
    for name, setting in settings_of(RankingSettings).items():
        assert of_retrieve[name] == setting


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("/kept", "b", "sets/index"), "/kept"),
        ((Path("kept"), "", ""), "kept"),
        (("", "b/", ""), "b/cache"),
        (("", "", "sets/index/"), "sets/index/search"),
        (("", "", "gs://a/index"), "gs://a/index/search"),
    ],
)
def test_where_a_search_keeps_its_results(given, expected):
    assert cache_folder(*given) == os.fspath(expected)
