"""How fast retrieval is against its limits: each table's ratios come from one run.

    python benchmarks/retrieval.py search --dimension 512 --k 15 100 300
    python benchmarks/retrieval.py after_search
    python benchmarks/retrieval.py large --folder /some/disk
    python benchmarks/retrieval.py annoy --dimension 512

Times are CPU seconds of this process with one BLAS thread (`--threads 1`, the
default: a busy machine does not distort them) or, with more threads, seconds
of the clock. Needs the extra bench.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import threadpoolctl

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from made_up import image_ids, made_up, unit_rows

from glrtf.embedding_rows import ArrayRows
from glrtf.retrieval import annoy_index, bridge, exact, fusion, landmarks, non_landmark, output
from glrtf.retrieval.landmarks import LandmarkConfidences
from glrtf.retrieval.neighbors import Neighbors, for_all, stacked

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


def after_the_search(
    known: np.ndarray,
    codes: np.ndarray,
    indices: np.ndarray,
    scores: np.ndarray,
    direct: Neighbors,
    unlike: np.ndarray,
    ids: np.ndarray,
    path: str,
) -> fusion.Ranking:
    """Landmark confidence, bridging, fusion and the written submission."""
    queries, step = len(direct.indices), 256
    kept: dict[int, LandmarkConfidences] = {}

    def keep(start: int) -> None:
        rows = np.array(indices[start : start + step])
        near = np.array(scores[start : start + step])
        kept[start] = landmarks.landmark_confidences(
            codes[rows],
            non_landmark.penalized_distances(near, unlike[rows], 0.4),
            known,
            per_landmark=2,
            best_bonus=0.5,
            keep=5,
        )

    for_all(keep, range(0, len(indices), step))
    marks = np.concatenate([kept[start].landmarks for start in sorted(kept)])
    sure = np.concatenate([kept[start].confidences for start in sorted(kept)])
    in_index = LandmarkConfidences(marks[queries:], sure[queries:])
    ranks = np.argsort(np.argsort(ids))
    lists = bridge.list_by_landmark(in_index, ranks)
    ranked = []
    for start in range(0, queries, 1024):
        block = slice(start, min(start + 1024, queries))
        asked = LandmarkConfidences(marks[block], sure[block])
        near = Neighbors(direct.indices[block], direct.scores[block])
        ranked.append(
            fusion.fuse(
                near,
                near.scores,
                bridge.bridges_of_pairs(asked, in_index, near.indices),
                bridge.best_bridges(asked, lists, ranks, 200, False),
                ranks,
                divisor=3,
                direct_power=3,
                bridge_power=3,
                surest_first=False,
                limit=100,
            )
        )
    ranking = fusion.concatenated(ranked)
    query_ids = np.array([f"{row:016x}" for row in range(queries)], "S16")
    output.write_submission(path, query_ids, ids, ranking.images)
    return ranking


def after_search(arguments: argparse.Namespace) -> None:
    """Everything after the search against the pandas transcription of the tests."""
    import pandas as pd
    import retrieval_transcription as slow

    queries, index, train, k = 500, 10_000, 60_000, 300
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        known, codes, indices, scores, direct = made_up(queries, index, train, k, 2000, folder)
        unlike, ids = np.random.default_rng(2).random(train) * 0.5, image_ids(index)

        def table(rows: np.ndarray, similarities: np.ndarray) -> pd.DataFrame:
            asked = np.repeat(np.arange(len(rows)), rows.shape[1])
            distance = 1 - similarities.ravel()
            return pd.DataFrame({"query": asked, "row": rows.ravel(), "distance": distance})

        def transcribed() -> dict:
            halves = (slice(0, queries), slice(queries, None))
            of_test, of_index = (
                slow.landmark_confidence(table(indices[half], scores[half]), known[codes], unlike)
                for half in halves
            )
            near = table(direct.indices, direct.scores).rename(columns={"row": "image"})
            near["direct"] = np.clip(1 - near["distance"], 0, 1)
            bridged = slow.bridged_confidence(of_test, of_index)
            return slow.rank(near[["query", "image", "direct"]], bridged, ids)

        def ours() -> fusion.Ranking:
            path = f"{folder}/submission.csv"
            return after_the_search(known, codes, indices, scores, direct, unlike, ids, path)

        times = interleaved({"ours": ours, "pandas": transcribed}, time.process_time, 3)
        ranking, expected = ours(), transcribed()
        same = sum(ids[ranking.images[q]].tolist() == expected[q] for q in range(queries))
        ratio = times["pandas"] / times["ours"]
        print(f"{queries} x {index} images, {train} train, {k} neighbours; CPU seconds")
        print(f"here {times['ours']:.3f}  pandas {times['pandas']:.2f}  ratio {ratio:.0f}")
        print(f"identical top 100: {same} of {queries} queries")


def large(arguments: argparse.Namespace) -> None:
    """The whole of GLDv2's test and index: time and memory of what follows the search."""
    queries, index, train, k = 117_577, 761_757, 4_132_914, 300
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        known, codes, indices, scores, direct = made_up(queries, index, train, k, 203_094, folder)
        unlike, ids = np.random.default_rng(2).random(train) * 0.5, image_ids(index)
        began, cpu = time.perf_counter(), time.process_time()
        path = f"{folder}/submission.csv"
        after_the_search(known, codes, indices, scores, direct, unlike, ids, path)
        took, used = time.perf_counter() - began, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{queries} x {index}, {k} neighbours: {took:.0f} s ({used:.0f} CPU s)")
        print(f"peak memory {peak:.1f} GiB, mapped files among it")


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
    parser.add_argument("what", choices=["search", "after_search", "large", "annoy"])
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
