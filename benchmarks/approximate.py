"""Time and recall of faiss and Annoy against the exact search, in one run.

    python benchmarks/approximate.py --dimension 512 --count 50000
    python benchmarks/approximate.py --sets INDEX QUERIES

Each back end searches the same queries alternately, on one processor; times are the least CPU
seconds of `--rounds`. For each the fastest setting that reaches `--recall` is compared with
Annoy's. Bytes are those of the files of the index.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import threadpoolctl

sys.path.insert(0, str(Path(__file__).parents[1]))

from synthetic import ROWS_OF

from glrtf.config.search import SearchConfig
from glrtf.embeddings.embedding_set import EmbeddingSet
from glrtf.embeddings.rows import ArrayRows, RowSource
from glrtf.retrieval.search import annoy_backend, backends, exact
from glrtf.retrieval.search.neighbors import Neighbors, stacked

Search = Callable[[], Neighbors]


def annoy_searches(
    queries: RowSource, rows: RowSource, k: int, folder: str, arguments: argparse.Namespace
) -> dict[str, Search]:
    """Annoy with each number of trees and nodes."""
    searches: dict[str, Search] = {}
    for trees in arguments.trees:
        began = time.process_time()
        indexes = annoy_backend.open_indexes(rows, trees, folder)
        print(f"annoy, {trees} trees: built in {time.process_time() - began:.1f} CPU s", flush=True)
        for nodes in arguments.nodes:

            def search(indexes=indexes, nodes=nodes) -> Neighbors:
                return stacked(
                    list(annoy_backend.search_blocks(queries, rows, indexes, k, 0, nodes))
                )

            searches[f"annoy, {trees} trees, {nodes} nodes"] = search
    return searches


def faiss_searches(
    queries: RowSource, rows: RowSource, k: int, folder: str, arguments: argparse.Namespace
) -> dict[str, Search]:
    """Faiss with each kind and code, its effort chosen by itself."""
    searches: dict[str, Search] = {}
    count = len(rows.ids)
    for kind in arguments.kinds:
        for code in arguments.codes:
            config = SearchConfig(
                backend="faiss", faiss_kind=kind, faiss_code=code, faiss_recall=arguments.tuned
            )
            below = os.path.join(folder, f"{kind}-{code}")
            began = time.process_time()
            opened = backends.open_backend(rows, config, below)
            list(opened(queries, k, 0))
            built = time.process_time() - began
            size = sum(path.stat().st_size for path in Path(below).glob("*.faiss"))
            print(
                f"faiss, {kind}, {code}: built in {built:.1f} CPU s, {size / count:.0f} bytes/row",
                flush=True,
            )
            searches[f"faiss, {kind}, {code}"] = lambda opened=opened: stacked(
                list(opened(queries, k, 0))
            )
    return searches


def compare(queries: RowSource, rows: RowSource, arguments: argparse.Namespace) -> None:
    """Times all searches and prints the table."""
    k = arguments.k
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        searches: dict[str, Search] = {"exact": lambda: exact.search(queries, rows, k)}
        searches |= annoy_searches(queries, rows, k, folder, arguments)
        searches |= faiss_searches(queries, rows, k, folder, arguments)
        least = dict.fromkeys(searches, float("inf"))
        found: dict[str, Neighbors] = {}
        for _ in range(arguments.rounds):
            for name, search in searches.items():
                began = time.process_time()
                found[name] = search()
                least[name] = min(least[name], time.process_time() - began)
    true = found["exact"].indices
    recall = {
        name: np.mean(
            [np.isin(row, near).mean() for row, near in zip(true, each.indices, strict=True)]
        )
        for name, each in found.items()
    }
    for name, seconds in least.items():
        print(f"{name:32s} recall@{k} {recall[name]:.3f}  {seconds:7.3f} CPU s")
    for library in ("annoy", "faiss"):
        reached = [
            (least[name], name)
            for name in least
            if name.startswith(library) and recall[name] >= arguments.recall
        ]
        if not reached:
            print(f"{library}: no setting reaches {arguments.recall}")
            return
        seconds, name = min(reached)
        if library == "annoy":
            of_annoy = seconds
        share = "" if library == "annoy" else f", {seconds / of_annoy:.3f} of Annoy's time"
        print(f"fastest with recall {arguments.recall}: {name}, {seconds:.3f} CPU s{share}")


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs=2, help="embedding sets: the index and the queries")
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--rows", choices=list(ROWS_OF), default="descriptors")
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--recall", type=float, default=0.95)
    parser.add_argument("--tuned", type=float, default=0.97, help="faiss_recall")
    parser.add_argument("--trees", type=int, nargs="*", default=[100])
    parser.add_argument("--nodes", type=int, nargs="*", default=[1, 3, 5, 10])
    parser.add_argument("--kinds", nargs="*", default=["ivf"])
    parser.add_argument("--codes", nargs="*", default=["sq8"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", default=None, help="where large files may lie for a while")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    with threadpoolctl.threadpool_limits(1):
        if arguments.sets:
            rows, queries = map(EmbeddingSet.open, arguments.sets)
            compare(queries, rows, arguments)
            return
        sizes = (arguments.queries, arguments.count)
        rng = np.random.default_rng(0)
        left, right = ROWS_OF[arguments.rows](sizes, arguments.dimension, rng)
        compare(ArrayRows(left), ArrayRows(right), arguments)


if __name__ == "__main__":
    main()
