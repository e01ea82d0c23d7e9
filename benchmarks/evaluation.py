"""Time to score the largest submission: 117,577 queries x 100 predictions.

    python benchmarks/evaluation.py

It writes a submission of that size and its solution in a temporary folder, runs
``glrtf.evaluate`` on them in a separate process, and prints seconds and peak
memory with their limits (5 s, 1 GB) and the ratio to only reading the file.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

QUERIES, PREDICTIONS, INDEX, LANDMARKS = 117_577, 100, 761_757, 10_000
LIMIT_SECONDS, LIMIT_MEGABYTES = 5.0, 1000


def main() -> None:
    """Writes the files, times the command, prints the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_files(folder)
        reading = _seconds_to_read(folder / "submission.csv")
        seconds, processor_seconds, megabytes = _run(folder)
    print(f"{'':24}{'measured':>10}{'limit':>10}{'ratio':>8}")
    print(f"{'seconds':24}{seconds:10.2f}{LIMIT_SECONDS:10.2f}{seconds / LIMIT_SECONDS:8.2f}")
    print(f"{'processor seconds':24}{processor_seconds:10.2f}")
    print(
        f"{'peak megabytes':24}{megabytes:10.0f}{LIMIT_MEGABYTES:10.0f}"
        f"{megabytes / LIMIT_MEGABYTES:8.2f}"
    )
    print(f"{'reading the lines alone':24}{reading:10.2f}{'':10}{seconds / reading:8.1f}")


def _write_files(folder: Path) -> None:
    """Writes both files; each query's predictions contain about a third of its right answers."""
    generator = np.random.default_rng(0)
    index = np.array([f"{number:016x}" for number in range(INDEX)], object)
    landmark_images = np.array_split(generator.permutation(INDEX), LANDMARKS)
    with (
        open(folder / "submission.csv", "w") as submission,
        open(folder / "solution.csv", "w") as solution,
    ):
        submission.write("id,images\n")
        solution.write("id,images,Usage\n")
        for query in range(QUERIES):
            relevant = landmark_images[generator.integers(LANDMARKS)]
            ranked = np.unique(generator.integers(0, INDEX, PREDICTIONS + 5))[:PREDICTIONS]
            ranked[: len(relevant) // 3] = relevant[: len(relevant) // 3]
            generator.shuffle(ranked)
            usage = "Public" if query % 3 == 0 else "Private"
            submission.write(f"f{query:015x},{' '.join(index[ranked])}\n")
            solution.write(f"f{query:015x},{' '.join(index[relevant])},{usage}\n")


def _seconds_to_read(path: Path) -> float:
    began = time.perf_counter()
    with open(path) as file:
        for _ in file:
            pass
    return time.perf_counter() - began


def _run(folder: Path) -> tuple[float, float, float]:
    command = [sys.executable, "-m", "glrtf.evaluate"]
    command += [str(folder / "submission.csv"), str(folder / "solution.csv")]
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


if __name__ == "__main__":
    main()
