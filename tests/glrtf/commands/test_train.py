import re

import numpy as np
import pytest

from glrtf.commands import train
from glrtf.config.training import TrainConfig


def unit(degrees):
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_a_fold_is_ranked_for_each_of_its_photos_that_has_a_fellow():
    # On a circle at 0°, 10°, 30°, 70°, landmarks 0, 1, 0, 2: only 0 has two photos.
    # For 0°: 10° (wrong), 30° (right): AP 1/2. For 30°: 10° (wrong), 0° (right): AP 1/2.
    rows = unit([0.0, 10.0, 30.0, 70.0])
    figures = train.rank_validation(rows, np.array([0, 1, 0, 2]))
    assert figures == {"map": pytest.approx(0.5), "recall_at_1": 0.0}


def test_equal_embeddings_do_not_hide_behind_the_query_itself():
    # Photos 0 and 1 are one point: photo 0 stands first for both by its row, and is right for 1.
    figures = train.rank_validation(unit([0.0, 0.0, 90.0]), np.array([3, 3, 5]))
    assert figures == {"map": 1.0, "recall_at_1": 1.0}


def test_without_fellows_there_is_nothing_to_rank():
    assert train.rank_validation(unit([0.0, 90.0]), np.array([0, 1])) == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--backbone", "v3m"], "backbone: expected one of v2s, v2m, .* found 'v3m'"),
        (
            ["--size", "100"],
            r"size: expected a positive multiple of 32 \(or 720, 732 as pub.*try 96",
        ),
        (["--size", "-5"], "size: expected a positive multiple of 32 .* found -5; try 32"),
        (
            ["--batch_size", "32", "--accumulation_steps", "3"],
            r"--batch_size: expected a multiple of --accumulation_steps \(3\), found 32; "
            r"try 30 or 33",
        ),
        (["--sizes", "64", "128", "--stage_epochs", "15"], "one value for each of the 2 sizes"),
        (["--sizes", "64", "--stage_epochs", "3"], "add up to 15 epochs"),
        (
            ["--weights", "imagenet", "--init_from", "runs/a"],
            "expected none with --init_from runs/a",
        ),
        (["--learning-rat", "1"], "did you mean --learning_rate?"),
        (["--dropout", "1"], "dropout: expected 0 to below 1"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(message, error)
    assert list(tmp_path.iterdir()) == []


def test_published_sizes_are_taken_though_no_multiples_of_32():
    assert TrainConfig(size=732).size == 732


def test_the_default_learning_rate_is_the_published_rule():
    # 12 images a core on 8 cores, 3 micro-batches: 5e-6 · 96.
    config = TrainConfig(batch_size=36, accumulation_steps=3)
    assert config.peak_learning_rate(8) == pytest.approx(4.8e-4)
    assert TrainConfig(learning_rate=0.01).peak_learning_rate(8) == 0.01


def test_the_sample_gets_batches_of_its_own():
    config = TrainConfig(batch_size=96, accumulation_steps=3).for_sample("sample")
    assert (config.data, config.batch_size, config.micro_batch) == ("sample", 6, 2)
    # 5 does not split in 3: one micro-batch.
    config = TrainConfig(batch_size=96, sample_batch_size=5).for_sample("sample")
    assert (config.batch_size, config.accumulation_steps) == (5, 1)
