"""Arguments of benchmarks that rank the embedded splits of one model."""

import argparse
from pathlib import Path

from glrtf.config.retrieval import RetrieveConfig


def add_split_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the folder of the embedding sets and that of the dataset's tables."""
    parser.add_argument("embeddings", type=Path, help="contains the sets test, index and train")
    parser.add_argument("metadata", type=Path, help="contains train.csv and the solutions")


def retrieval_of(embeddings: Path, metadata: Path) -> RetrieveConfig:
    """The default ranking of these sets."""
    return RetrieveConfig(
        query=[str(embeddings / "test")],
        index=[str(embeddings / "index")],
        train=[str(embeddings / "train")],
        landmarks=str(metadata / "train.csv"),
        non_landmark_solution=str(metadata / "recognition_solution_v2.1.csv"),
        output="",
    )
