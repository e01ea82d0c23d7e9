"""Trials per second of glrtf.tune on sets of the embedded sample's size.

    python benchmarks/tune.py [--trials 200] [--workers 2]

It writes synthetic embedding sets of the sample's size (251 queries, 433 index and 1,914 train
images of 44 landmarks, 512 dimensions) in a temporary folder, runs ``glrtf.tune`` on them
in a separate process, and prints the trials per second after the first trial and of the second
half, with the limit of 20.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import optuna
from optuna.storages.journal import JournalFileBackend, JournalStorage

from glrtf.embeddings import embedding_set

SIZES = {"test": 251, "index": 433, "train": 1914}
PARTS, LANDMARKS, DIMENSION = 4, 44, 512
LIMIT = 20.0


def main() -> None:
    """Writes the files, runs the study, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_files(folder)
        _run(folder, args.trials, args.workers)
        ends = _ends(folder / "out" / "journal.log")
    print(f"{'trials a second':24}{'measured':>10}{'limit':>10}{'ratio':>8}")
    for name, times in (("after the first", ends), ("second half", ends[len(ends) // 2 :])):
        rate = (len(times) - 1) / (times[-1] - times[0])
        print(f"{name:24}{rate:10.1f}{LIMIT:10.1f}{rate / LIMIT:8.2f}")


def _write_files(folder: Path) -> None:
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((LANDMARKS, DIMENSION))
    landmarks = {split: generator.integers(LANDMARKS, size=count) for split, count in SIZES.items()}
    ids = {
        split: np.array([f"{place:x}{n:015x}" for n in range(count)])
        for place, (split, count) in enumerate(SIZES.items(), start=1)
    }
    for split, marks in landmarks.items():
        rows = centres[marks] + 5 * generator.standard_normal((len(marks), DIMENSION))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        pieces = np.array_split(np.arange(len(rows)), PARTS)
        for part, piece in enumerate(pieces):
            embedding_set.write_part(
                str(folder / split),
                part,
                PARTS,
                rows[piece].astype(np.float32),
                ids[split][piece].astype("S16"),
            )
        embedding_set.finish(str(folder / split), PARTS, model="synthetic", size=0)
    train = [f"{i},u,{m}" for i, m in zip(ids["train"], landmarks["train"], strict=True)]
    (folder / "train.csv").write_text("\n".join(["id,url,landmark_id", *train, ""]))
    lines = ["id,images,Usage"]
    for query, mark in zip(ids["test"], landmarks["test"], strict=True):
        lines.append(f"{query},{' '.join(ids['index'][landmarks['index'] == mark])},Private")
    (folder / "solution.csv").write_text("\n".join([*lines, ""]))


def _run(folder: Path, trials: int, workers: int) -> None:
    inputs = {"query": "test", "index": "index", "train": "train", "landmarks": "train.csv"}
    command = [sys.executable, "-m", "glrtf.tune"]
    for flag, name in {**inputs, "solution": "solution.csv", "output": "out"}.items():
        command += [f"--{flag}", str(folder / name)]
    command += ["--trials", str(trials), "--workers", str(workers)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _ends(journal: Path) -> list[float]:
    """End times of the trials, in seconds, ascending."""
    storage = JournalStorage(JournalFileBackend(str(journal)))
    study = optuna.load_study(study_name="glrtf", storage=storage)
    return sorted(trial.datetime_complete.timestamp() for trial in study.trials)


if __name__ == "__main__":
    main()
