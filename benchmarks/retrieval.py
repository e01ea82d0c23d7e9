"""Speed of searches, with their targets; the ratios of each table are from one run.

    python benchmarks/retrieval.py search --dimension 512 --k 15 100 300
    python benchmarks/retrieval.py search --dimension 2560 --rows clustered --count 400000
    python benchmarks/retrieval.py annoy --dimension 512 --plot recall.png

Times are CPU seconds of this process on one processor (`--threads 1`, the
default: a busy machine distorts them less) or, with more threads, wall-clock seconds.
All OpenBLAS libraries use the same kernels: on processors with AVX-512 those
of `--coretype`, which not all of them select by themselves. `float32` and
`float64` run without the prefilter; `default` is what a search does by itself if
TensorFlow is loaded, with float64 scores. Needs the extra bench.
"""

import argparse
import importlib
import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import threadpoolctl

sys.path.insert(0, str(Path(__file__).parents[1]))

from memory import forget_peak, peak
from synthetic import ROWS_OF

from glrtf.embeddings.rows import ArrayRows
from glrtf.retrieval.search import annoy_backend, exact
from glrtf.retrieval.search.neighbors import stacked

QUERIES = 2000


def interleaved(
    contestants: dict[str, Callable[[], object]], clock: Callable[[], float], rounds: int
) -> dict[str, float]:
    """Best time of each, run alternately so that a busy machine slows all of them."""
    best = dict.fromkeys(contestants, float("inf"))
    for _ in range(rounds):
        for name, run in contestants.items():
            began = clock()
            run()
            best[name] = min(best[name], clock() - began)
    return best


def search(arguments: argparse.Namespace) -> None:
    """Compares exact search with SGEMM, faiss and scikit-learn."""
    if importlib.util.find_spec("tensorflow"):
        # With TensorFlow loaded, searches use it if it saves time.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        importlib.import_module("tensorflow")
    rng = np.random.default_rng(0)
    clock = time.process_time if arguments.threads == 1 else time.perf_counter
    count = arguments.count or 100_000
    print(
        f"{QUERIES} queries x {count} {arguments.rows} rows, {arguments.threads} thread(s); "
        "seconds (share of the rate of the products alone); extra memory of a search"
    )
    for dimension in arguments.dimension:
        queries, rows = ROWS_OF[arguments.rows]((QUERIES, count), dimension, rng)
        for k in arguments.k:
            times = interleaved(_contestants(queries, rows, k, arguments), clock, arguments.rounds)
            limit = times.pop("products alone")
            rate = 2 * QUERIES * count * dimension / limit / 1e9
            shown = "  ".join(f"{name} {t:.2f} ({limit / t:.2f})" for name, t in times.items())
            extra = extra_memory(ArrayRows(queries), ArrayRows(rows), k)
            print(
                f"d {dimension} k {k}: products alone {limit:.2f} ({rate:.0f} GFLOP/s)  {shown}  "
                f"extra memory {extra:.0f} MB",
                flush=True,
            )


def extra_memory(queries: ArrayRows, rows: ArrayRows, k: int) -> float:
    """Peak growth of this process's resident memory in a search, MB."""
    forget_peak()
    before = peak()
    exact.search(queries, rows, k)
    return (peak() - before) * 2**30 / 1e6


def _contestants(
    queries: np.ndarray, rows: np.ndarray, k: int, arguments: argparse.Namespace
) -> dict[str, Callable[[], object]]:
    """The searches to time, by name."""
    left, right = ArrayRows(queries), ArrayRows(rows)
    ours = {
        "products alone": lambda: products_only(queries, rows),
        "float32": lambda: exact.search(left, right, k, float64_scores=False, prefilter=False),
        "float64": lambda: exact.search(left, right, k, prefilter=False),
        "default": lambda: exact.search(left, right, k),
    }
    if k not in arguments.peers_at:
        return ours
    import faiss
    from sklearn.neighbors import NearestNeighbors

    faiss.omp_set_num_threads(arguments.threads)
    flat = faiss.IndexFlatIP(rows.shape[1])
    flat.add(rows)
    peer = NearestNeighbors(metric="cosine", algorithm="brute").fit(rows)
    return ours | {
        "faiss": lambda: flat.search(queries, k),
        "scikit-learn": lambda: peer.kneighbors(queries, k),
    }


def products_only(queries: np.ndarray, rows: np.ndarray) -> None:
    """Only the same matrix products, in tiles and one buffer."""
    buffer = np.empty((len(queries), 2048), np.float32)
    for start in range(0, len(rows) // 2048 * 2048, 2048):
        np.matmul(queries, rows[start : start + 2048].T, out=buffer)
    rest = rows[len(rows) // 2048 * 2048 :]
    np.matmul(
        queries, rest.T, out=buffer.reshape(-1)[: len(queries) * len(rest)].reshape(-1, len(rest))
    )


def annoy(arguments: argparse.Namespace) -> None:
    """Compares recall@100 and time of Annoy with exact search, on clustered rows."""
    rng = np.random.default_rng(0)
    curves: dict[str, list[tuple[float, float]]] = {}
    for dimension in arguments.dimension:
        count = arguments.count or 50_000
        sizes = (200, count)
        left, right = (ArrayRows(r) for r in ROWS_OF["clustered"](sizes, dimension, rng))
        began = time.process_time()
        truth = exact.search(left, right, 100)
        all_of_it = time.process_time() - began
        print(f"d = {dimension}, {count} rows, 200 queries: exact {all_of_it:.2f} CPU s")
        curves[f"exact, d = {dimension}"] = [(all_of_it, 1.0)]
        for trees in arguments.trees:
            with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
                began = time.process_time()
                indexes = annoy_backend.open_indexes(right, trees, folder)
                built = time.process_time() - began
                for nodes in arguments.nodes:
                    began = time.process_time()
                    blocks = annoy_backend.search_blocks(left, right, indexes, 100, 0, nodes)
                    found = stacked(list(blocks))
                    took = time.process_time() - began
                    pairs = zip(found.indices, truth.indices, strict=True)
                    recall = np.mean([len(np.intersect1d(*pair)) / 100 for pair in pairs])
                    line = curves.setdefault(f"annoy, d = {dimension}, {trees} trees", [])
                    line.append((took, recall))
                    print(
                        f"trees {trees:4d}  nodes {nodes:3d}  recall@100 {recall:.3f}  "
                        f"search {took:6.2f}  build {built:6.1f} CPU s",
                        flush=True,
                    )
    if arguments.plot:
        _plot(curves, arguments.plot)


def _plot(curves: dict[str, list[tuple[float, float]]], path: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for name, points in curves.items():
        times, recalls = zip(*points, strict=True)
        axes.plot(times, recalls, "*" if len(points) == 1 else "o-", label=name, markersize=8)
    axes.set(xscale="log", xlabel="CPU seconds for 200 queries", ylabel="recall@100")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=110)


def with_kernels(coretype: str) -> None:
    """Restarts this program if OpenBLAS would use other kernels or cache sizes."""
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    wanted = {"OPENBLAS_CORETYPE": coretype} if " avx512vl" in flags and coretype else {}
    unwanted = {"OPENBLAS_L2_SIZE"} & set(os.environ) if wanted else set()
    if any(os.environ.get(name) != value for name, value in wanted.items()) or unwanted:
        kept = {name: value for name, value in os.environ.items() if name not in unwanted}
        os.execve(sys.executable, [sys.executable, *sys.argv], kept | wanted)


def main() -> None:
    """Runs one benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["search", "annoy"])
    parser.add_argument("--dimension", type=int, nargs="+", default=[512, 2560])
    parser.add_argument("--k", type=int, nargs="+", default=[15, 100, 300])
    parser.add_argument("--peers_at", type=int, nargs="*", default=[100], help="k of the peers")
    parser.add_argument("--rows", choices=list(ROWS_OF), default="isotropic")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--coretype", default="SkylakeX", help="kernels of every OpenBLAS")
    parser.add_argument("--count", type=int, help="rows: 100000 by default, 50000 for annoy")
    parser.add_argument("--trees", type=int, nargs="+", default=[10, 50, 100])
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 3, 10])
    parser.add_argument("--folder", default=None, help="where large files may lie for a while")
    parser.add_argument("--plot", default="", help="annoy: where to draw the curves")
    arguments = parser.parse_args()
    with_kernels(arguments.coretype)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-arguments.threads :])
    with threadpoolctl.threadpool_limits(arguments.threads):
        for library in threadpoolctl.threadpool_info():
            if library["user_api"] == "blas":
                print(library["internal_api"], library.get("architecture"), library["num_threads"])
        globals()[arguments.what](arguments)


if __name__ == "__main__":
    main()
