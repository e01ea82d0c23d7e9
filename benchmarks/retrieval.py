"""How fast retrieval is against its limits: each table's ratios come from one run.

    python benchmarks/retrieval.py search --dimension 512 --k 15 100 300
    python benchmarks/retrieval.py annoy --dimension 512

Times are CPU seconds of this process with one BLAS thread (`--threads 1`, the
default: a busy machine does not distort them) or, with more threads, seconds
of the clock. Needs the extra bench.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import threadpoolctl

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from made_up import unit_rows

from glrtf.embedding_rows import ArrayRows
from glrtf.retrieval import annoy_index, exact
from glrtf.retrieval.neighbors import stacked

ROWS, QUERIES = 100_000, 2000


def interleaved(
    contestants: dict[str, Callable[[], object]], clock: Callable[[], float], rounds: int
) -> dict[str, float]:
    """The best time of each, all run in turn so that the machine's moods hit all alike."""
    best = dict.fromkeys(contestants, float("inf"))
    for _ in range(rounds):
        for name, run in contestants.items():
            began = clock()
            run()
            best[name] = min(best[name], clock() - began)
    return best


def search(arguments: argparse.Namespace) -> None:
    """Exact search against SGEMM, faiss and scikit-learn."""
    import faiss

    rng = np.random.default_rng(0)
    clock = time.process_time if arguments.threads == 1 else time.perf_counter
    faiss.omp_set_num_threads(arguments.threads)
    print(
        f"{QUERIES} queries x {ROWS} rows, {arguments.threads} thread(s); seconds; share of SGEMM"
    )
    print(
        "   d    k   SGEMM            float32           float64             faiss      scikit-learn"
    )
    for dimension in arguments.dimension:
        queries, rows = unit_rows(QUERIES, dimension, rng), unit_rows(ROWS, dimension, rng)
        contestants = _contestants(queries, rows, k_now := [0])
        for k_now[0] in arguments.k:
            times = interleaved(contestants, clock, arguments.rounds)
            limit = times.pop("sgemm")
            rate = 2 * QUERIES * ROWS * dimension / limit / 1e9
            shown = "  ".join(f"{t:6.2f} ({limit / t:4.2f})  " for t in times.values())
            print(
                f"{dimension:5d} {k_now[0]:4d}  {limit:6.2f} {rate:4.0f} GF/s  {shown}", flush=True
            )


def _contestants(
    queries: np.ndarray, rows: np.ndarray, k: list[int]
) -> dict[str, Callable[[], object]]:
    """What is timed; the one number in `k` says how many neighbours."""
    import faiss
    from sklearn.neighbors import NearestNeighbors

    left, right = ArrayRows(queries), ArrayRows(rows)
    flat = faiss.IndexFlatIP(rows.shape[1])
    flat.add(rows)
    peer = NearestNeighbors(metric="cosine", algorithm="brute").fit(rows)
    return {
        "sgemm": lambda: products_only(queries, rows),
        "float32": lambda: exact.search(left, right, k[0], float64_scores=False),
        "float64": lambda: exact.search(left, right, k[0]),
        "faiss": lambda: flat.search(queries, k[0]),
        "scikit-learn": lambda: peer.kneighbors(queries, k[0]),
    }


def products_only(queries: np.ndarray, rows: np.ndarray) -> None:
    """The same products and nothing else, in tiles and one buffer."""
    buffer = np.empty((len(queries), 2048), np.float32)
    for start in range(0, len(rows) // 2048 * 2048, 2048):
        np.matmul(queries, rows[start : start + 2048].T, out=buffer)
    rest = rows[len(rows) // 2048 * 2048 :]
    np.matmul(
        queries, rest.T, out=buffer.reshape(-1)[: len(queries) * len(rest)].reshape(-1, len(rest))
    )


def annoy(arguments: argparse.Namespace) -> None:
    """Recall@100 and time of Annoy against exact search, on clustered rows."""
    rng = np.random.default_rng(0)
    for dimension in arguments.dimension:
        centres = unit_rows(2000, dimension, rng)
        rows, queries = (
            centres[rng.integers(2000, size=count)] * 0.8 + 0.6 * unit_rows(count, dimension, rng)
            for count in (arguments.rows, 200)
        )
        right, left = (
            ArrayRows(r / np.linalg.norm(r, axis=1, keepdims=True)) for r in (rows, queries)
        )
        began = time.process_time()
        truth = exact.search(left, right, 100)
        print(
            f"d = {dimension}, {arguments.rows} rows, 200 queries: "
            f"exact {time.process_time() - began:.2f} CPU s"
        )
        for trees in arguments.trees:
            with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
                began = time.process_time()
                annoy_index.build(
                    f"{folder}/{right.digest[:16]}-{trees}-00000.annoy", right, 0, trees
                )
                built = time.process_time() - began
                for nodes in arguments.nodes:
                    began = time.process_time()
                    blocks = annoy_index.search_blocks(left, right, 100, 0, trees, nodes, folder)
                    found = stacked(list(blocks))
                    took = time.process_time() - began
                    pairs = zip(found.indices, truth.indices, strict=True)
                    recall = np.mean([len(np.intersect1d(*pair)) / 100 for pair in pairs])
                    print(
                        f"trees {trees:4d}  nodes {nodes:3d}  recall@100 {recall:.3f}  "
                        f"search {took:6.2f}  build {built:6.1f} CPU s",
                        flush=True,
                    )


def main() -> None:
    """Runs one benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["search", "annoy"])
    parser.add_argument("--dimension", type=int, nargs="+", default=[512, 2560])
    parser.add_argument("--k", type=int, nargs="+", default=[15, 100, 300])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--trees", type=int, nargs="+", default=[10, 50, 100])
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 3, 10])
    parser.add_argument("--folder", default=None, help="where large files may lie for a while")
    arguments = parser.parse_args()
    with threadpoolctl.threadpool_limits(arguments.threads):
        for library in threadpoolctl.threadpool_info():
            if library["user_api"] == "blas":
                print(library["internal_api"], library.get("architecture"), library["num_threads"])
        globals()[arguments.what](arguments)


if __name__ == "__main__":
    main()
