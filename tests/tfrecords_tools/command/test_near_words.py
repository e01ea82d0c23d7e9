import pytest

from tfrecords_tools.command.near_words import did_you_mean, option_meant, separate_with_spaces

# Options of several commands.
OPTIONS = [
    *("backbone", "size", "sizes", "data", "workdir", "batch_size", "sample_batch_size", "epochs"),
    *("learning_rate", "weights", "weight_decay", "output", "num_classes", "index", "train"),
    *("augment.hue", "search.backend", "num_shards", "limit", "strategy"),
]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("learning_rat", "learning_rate"),
        ("Learning_Rate", "learning_rate"),
        ("lr", "learning_rate"),
        ("bs", "batch_size"),
        ("wd", "weight_decay"),
        ("batch", "batch_size"),
        ("output_dir", "output"),
        ("image_size", "size"),
        ("num_epochs", "epochs"),
        ("data_dir", "data"),
        ("out", "output"),
        ("gpus", "strategy"),
        ("top_k", "limit"),
        ("augment.hues", "augment.hue"),
        ("serach.backend", "search.backend"),
        ("augment.hut", "augment.hue"),
        ("search.metric", ""),
        ("index.keep", ""),
        ("verbose", ""),
        ("x", ""),
    ],
)
def test_the_option_that_was_meant(typed, meant):
    assert option_meant(typed, OPTIONS) == meant


def test_no_options_no_suggestion():
    assert option_meant("lr", []) == ""


@pytest.mark.parametrize(
    ("word", "hint"),
    [("Adam", "; did you mean adam?"), ("adma", "; did you mean adam?"), ("zzz", "")],
)
def test_a_near_choice(word, hint):
    assert did_you_mean(word, ["sgd", "adam"]) == hint


def test_values_with_commas_are_shown_apart():
    expected = "; separate them with spaces: train index"
    assert separate_with_spaces(["train,index"]) == expected
    assert separate_with_spaces(["train,", "index"]) == expected
    assert separate_with_spaces(["train", "index"]) == ""
