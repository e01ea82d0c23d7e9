"""Cost of searching 20 train parts, depending on the number of shards of the train set.

    python benchmarks/train_parts.py --shards 1 20 100 500 2500

CPU seconds of this process for the 15 nearest train rows of each of the 20 parts, the
number of neighbours per image, and whether they equal those of the first line. Rows are float32.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from glrtf.embeddings.embedding_set import EmbeddingSet, finish, write_part
from glrtf.embeddings.rows import ArrayRows, normalized
from glrtf.retrieval.published_parts import PublishedParts
from glrtf.retrieval.search import exact
from tfrecords_tools import sharding

PER_PART = 15


def write(folder: str, rows: np.ndarray, num_shards: int) -> EmbeddingSet:
    """Writes a set as if embedded from this many shards."""
    numbers = np.random.default_rng(1).integers(1 << 60, size=len(rows), dtype=np.uint64)
    places, nothing = np.arange(len(rows), dtype=np.int32), np.zeros(len(rows), np.int32)
    images = sharding.Images(numbers, places, nothing, numbers, nothing, nothing)
    plan = sharding.plan_shards(images, num_shards)
    for shard in range(num_shards):
        chosen = plan.shard(shard)
        ids = np.array([f"{number:016x}" for number in chosen.ids.tolist()], "S16")
        write_part(folder, shard, num_shards, rows[chosen.labels], ids)
    return finish(folder, num_shards)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 20, 100, 500, 2500])
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    rows = normalized(rng.normal(size=(arguments.rows, arguments.dimension))).astype(np.float32)
    queries = normalized(rng.normal(size=(arguments.images, arguments.dimension)))
    expected = None
    print("shards  CPU s  neighbours  as in the first line")
    for count in arguments.shards:
        with tempfile.TemporaryDirectory() as folder:
            parts = PublishedParts(write(folder, rows, count))
            began = time.process_time()
            near = exact.search(ArrayRows(queries), parts, 0, per_part=PER_PART)
            seconds = time.process_time() - began
            found = parts.ids[near.indices]
        expected = found if expected is None else expected
        same = bool(np.array_equal(found, expected))
        print(f"{count:6}  {seconds:5.2f}  {found.shape[1]:10}  {same}")


if __name__ == "__main__":
    main()
