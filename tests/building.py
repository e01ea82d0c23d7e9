"""Builds the train split of a small source and reads what came of it."""

import csv

from tiny_gldv2 import files_below

from tfrecords_tools import build
from tfrecords_tools.build import BuildConfig
from tfrecords_tools.dataset_info import DatasetInfo


def build_train(source, output, **settings):
    """Three shards by one worker, unless overridden."""
    settings = {"num_shards": 3, "workers": 1, "splits": ["train"]} | settings
    build.build(BuildConfig(str(source), str(output), **settings))
    return DatasetInfo.load(str(output / "train"))


def left_out(output):
    """(name, reason, tar) of everything that left_out.csv lists."""
    with (output / "train" / "left_out.csv").open() as file:
        return sorted((row["name"], row["reason"], row["tar"]) for row in csv.DictReader(file))


def shards(output):
    """The shards' bytes by name."""
    return {name: data for name, data in files_below(output).items() if name.endswith("record")}
