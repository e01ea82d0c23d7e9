"""What several photos of one object gain in a search, averaged or late fused.

    python benchmarks/late_fusion.py EMBEDDINGS METADATA

EMBEDDINGS contains the sets test, index and train of one model, METADATA the dataset's tables.
Queries with the same relevant images are grouped at random. For each group size, prints mAP@100 of
the single photos, of the mean of their rows and of the best of their scores (`glrtf search
--together`, `--fusion max`), by similarity alone and with bridging, and the paired differences to
the single photos with their 95 % interval.
"""

import argparse
import collections
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from glrtf.config.service import SearcherConfig
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.embeddings.rows import gather_rows
from glrtf.evaluation import bootstrap
from glrtf.evaluation.metrics import average_precision
from glrtf.evaluation.solutions import read_retrieval_solution
from glrtf.service.late_fusion import best_of
from glrtf.service.queries import mean_row
from glrtf.service.row_searcher import RowSearcher
from glrtf.service.searched import open_searched


def precision_of(answer, relevant):
    """The average precision of an answer's photos."""
    hits = np.zeros((1, 100), bool)
    for place, found in enumerate(answer.photos):
        hits[0, place] = found.image_id in relevant
    return average_precision(hits, np.array([len(relevant)]), 100)[0]


def groups_of(solution, ids, size, seed):
    """(rows of `size` queries, their relevant images): every query is in one group at most."""
    by_images = collections.defaultdict(list)
    for row, image_id in enumerate(ids):
        if image_id in solution:
            by_images[solution[image_id]].append(row)
    rng = np.random.default_rng(seed)
    for relevant, rows in by_images.items():
        drawn = rng.permutation(rows)
        for start in range(0, len(drawn) - size + 1, size):
            yield drawn[start : start + size], relevant


def measure(name, searcher, rows, groups):
    """Prints the scores of groups of queries searched with singly and together."""
    values = collections.defaultdict(list)
    for members, relevant in groups:
        answers = searcher.answer(rows[members])
        singly = np.mean([precision_of(answer, relevant) for answer in answers])
        [averaged] = searcher.answer(mean_row(rows[members])[None])
        values["single"].append(singly)
        values["mean"].append(precision_of(averaged, relevant))
        values["max"].append(precision_of(best_of(answers, 100), relevant))
    single = np.array(values["single"])
    print(f"{name}, {len(groups)} groups of {len(groups[0][0])}: single photos {single.mean():.4f}")
    for way in ("mean", "max"):
        gain = np.array(values[way]) - single
        low, high = bootstrap.mean_interval(gain)
        score = np.mean(values[way])
        print(f"  {way:5s}{score:.4f}  {gain.mean():+.4f} ({low:+.4f} to {high:+.4f})")


def main():
    """Measures both ways with and without bridging."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("embeddings", type=Path)
    parser.add_argument("metadata", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[2, 3, 4])
    options = parser.parse_args()
    query = EmbeddingSet.open(str(options.embeddings / "test"))
    rows = gather_rows(query, np.arange(len(query.ids))).astype(np.float32)
    path = options.metadata / "retrieval_solution_v2.1.csv"
    solution = read_retrieval_solution(str(path)).relevant
    ids = [each.decode() for each in query.ids]
    with tempfile.TemporaryDirectory() as cache:
        index = str(options.embeddings / "index")
        bridged = {
            "train": str(options.embeddings / "train"),
            "landmarks": str(options.metadata / "train.csv"),
        }
        for name, more in (("similarity", {}), ("bridged", bridged)):
            config = SearcherConfig(model="none", index=index, cache=cache, **more)
            searcher = RowSearcher(open_searched(config), config)
            for size in options.sizes:
                measure(name, searcher, rows, list(groups_of(solution, ids, size, 0)))


if __name__ == "__main__":
    main()
