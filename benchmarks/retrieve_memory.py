"""Memory of ``glrtf retrieve`` at the size of Google Landmarks v2: what it says, and what it takes.

    python benchmarks/retrieve_memory.py --queries 100 --index 1000 3000 --folder /tmp/memory

The train set has 4,132,914 rows in 42 parts. The parts are links to one file of random rows, so
that the disk holds 0.2 GB and not 8.5. Each size of the index is a run in a process of its own,
which is watched: memory is the largest sum of RssAnon and RssShmem, that is, of resident pages that
are not pages of mapped files. Two sizes give the memory that an index image takes.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from synthetic import unit_rows

from glrtf.embeddings import embedding_set

_TRAIN, _LANDMARKS, _DIMENSION = 4_132_914, 203_094, 512
_PART = 100_000


def _ids(prefix: int, start: int, count: int) -> np.ndarray:
    """(count,) S16: hexadecimal ids that begin with a digit of their own."""
    return np.array([f"{prefix:x}{start + n:015x}" for n in range(count)], "S16")


def _write_set(folder: Path, prefix: int, count: int) -> None:
    """A set of `count` rows whose full parts are one file."""
    if (folder / "embedding_set.json").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    parts = -(-count // _PART)
    for part in range(parts):
        length = min(_PART, count - part * _PART)
        ids = _ids(prefix, part * _PART, length)
        if part == 0 or length < _PART:
            rows = unit_rows(length, _DIMENSION, np.random.default_rng(prefix))
            embedding_set.write_part(str(folder), part, parts, rows, ids)
        else:
            first, own = (
                folder / embedding_set.part_file("embeddings", n, parts) for n in (0, part)
            )
            os.link(first, own)
            np.save(folder / embedding_set.part_file("ids", part, parts), ids)
    embedding_set.finish(
        str(folder), parts, model="random", model_digest="0" * 64, size=0, tta=["plain"]
    )


def _write_landmarks(path: Path, count: int) -> None:
    if path.exists():
        return
    landmarks = np.random.default_rng(0).integers(0, _LANDMARKS, count)
    with path.open("w") as file:
        file.write("id,landmark_id\n")
        for start in range(0, count, _PART):
            ids = _ids(0, start, min(_PART, count - start)).astype(str)
            marks = landmarks[start : start + _PART]
            file.writelines(f"{one},{mark}\n" for one, mark in zip(ids, marks, strict=True))


def _watched(command: list[str]) -> tuple[float, float, str]:
    """Runs a command; returns its memory in GB, its CPU seconds and what it wrote."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    most = 0
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        lines = status.read_text().splitlines()
        pages = [line.split()[1] for line in lines if line.startswith(("RssAnon", "RssShmem"))]
        most = max(most, sum(map(int, pages)))
        time.sleep(0.2)
    assert process.stdout is not None
    said = process.stdout.read()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if process.returncode:
        raise SystemExit(said)
    return most * 1024 / 1e9, cpu, said


def main() -> None:
    """Writes the sets, runs the sizes and prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--index", type=int, nargs="+", default=[1000, 3000])
    parser.add_argument("--train", type=int, default=_TRAIN)
    parser.add_argument("--non_landmark", type=int, default=0)
    parser.add_argument("--folder", type=Path, required=True)
    args = parser.parse_args()
    sets = args.folder
    _write_set(sets / f"train{args.train}", 0, args.train)
    _write_set(sets / f"query{args.queries}", 1, args.queries)
    non_landmark = []
    if args.non_landmark:
        _write_set(sets / f"non{args.non_landmark}", 3, args.non_landmark)
        non_landmark = ["--non_landmark", str(sets / f"non{args.non_landmark}")]
    _write_landmarks(sets / f"train{args.train}.csv", args.train)
    for index in args.index:
        _write_set(sets / f"index{index}", 2, index)
        output = sets / "output"
        shutil.rmtree(output, ignore_errors=True)
        memory, cpu, said = _watched(
            [
                *(sys.executable, "-m", "glrtf.retrieve"),
                *("--query", str(sets / f"query{args.queries}")),
                *("--index", str(sets / f"index{index}")),
                *("--train", str(sets / f"train{args.train}")),
                *("--landmarks", str(sets / f"train{args.train}.csv")),
                *non_landmark,
                *("--output", str(output)),
            ]
        )
        plan = next((line for line in said.splitlines() if line.startswith("plan: ")), "")
        print(
            f"{args.queries} queries, {index} index, {args.train} train rows of {_DIMENSION}:"
            f" {memory:.2f} GB, {cpu:.0f} CPU s; {plan}",
            flush=True,
        )


if __name__ == "__main__":
    main()
