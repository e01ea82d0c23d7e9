"""Speed of the steps after the search, relative to pandas and at the size of GLDv2.

    python benchmarks/ranking.py pandas
    python benchmarks/ranking.py large --folder /some/disk
    python benchmarks/ranking.py crowded

Neighbours are synthetic. `large` needs 6 GB of memory and 5 GB of disk.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from memory import forget_peak, peak
from synthetic import image_ids, neighbours

from glrtf.config.ranking import FusionConfig, LandmarkConfig
from glrtf.retrieval import output, ranking
from glrtf.retrieval.bridging.fusion import Ranking
from glrtf.retrieval.bridging.landmark_confidence import LandmarkConfidences
from glrtf.retrieval.ordering import id_ranks
from glrtf.retrieval.search.neighbors import Neighbors


def after_the_search(
    known: np.ndarray,
    codes: np.ndarray,
    near: Neighbors,
    direct: Neighbors,
    non_landmark: np.ndarray,
    query_ids: np.ndarray,
    ids: np.ndarray,
    path: str,
) -> Ranking:
    """Landmark confidence, bridging, fusion and the written submission, the queries first."""
    queries = len(direct.indices)
    train = ranking.TrainLandmarks(known, codes, non_landmark)
    blocks = list(ranking.landmark_blocks(near, train, LandmarkConfig()))
    marks = np.concatenate([block.landmarks for block in blocks])
    confidences = np.concatenate([block.confidences for block in blocks])
    query = LandmarkConfidences(marks[:queries], confidences[:queries])
    index = LandmarkConfidences(marks[queries:], confidences[queries:])
    return ranked(query, index, direct, query_ids, ids, path)


def ranked(
    query: LandmarkConfidences,
    index: LandmarkConfidences,
    direct: Neighbors,
    query_ids: np.ndarray,
    ids: np.ndarray,
    path: str,
) -> Ranking:
    """Bridging, fusion and the written submission."""
    ranks = id_ranks(ids)
    found = ranking.rank(direct, direct.scores, query, index, ranks, FusionConfig())
    output.write_submission(path, query_ids, ids, found.images)
    return found


def pandas(arguments: argparse.Namespace) -> None:
    """Compares everything after the search with the tests' transcription in pandas."""
    import pandas as pd
    import retrieval_transcription as slow

    queries, index, train, k = 500, 10_000, 60_000, 300
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        known, codes, near, direct = neighbours(queries, index, train, k, 2000, folder)
        non_landmark = np.random.default_rng(2).random(train) * 0.5
        query_ids, ids = image_ids(queries), image_ids(index)

        def table(rows: np.ndarray, similarities: np.ndarray) -> pd.DataFrame:
            query = np.repeat(np.arange(len(rows)), rows.shape[1])
            distance = 1 - similarities.ravel()
            return pd.DataFrame({"query": query, "row": rows.ravel(), "distance": distance})

        def transcribed() -> dict:
            of_test, of_index = (
                slow.landmark_confidence(
                    table(near.indices[half], near.scores[half]),
                    known[codes],
                    non_landmark,
                )
                for half in (slice(0, queries), slice(queries, None))
            )
            nearest = table(direct.indices, direct.scores).rename(columns={"row": "image"})
            nearest["direct"] = np.clip(1 - nearest["distance"], 0, 1)
            bridged = slow.bridged_confidence(of_test, of_index)
            return slow.rank(nearest[["query", "image", "direct"]], bridged, ids)

        def ours() -> Ranking:
            path = f"{folder}/submission.csv"
            return after_the_search(known, codes, near, direct, non_landmark, query_ids, ids, path)

        found, expected = ours(), transcribed()
        same = sum(ids[found.images[q]].tolist() == expected[q] for q in range(queries))
        print(f"{queries} x {index} images, {train} train, {k} neighbours")
        for what, clock in (("clock", time.perf_counter), ("CPU", time.process_time)):
            times = []
            for run, rounds in ((ours, 10), (transcribed, 2)):
                best = float("inf")
                for _ in range(rounds):
                    began = clock()
                    run()
                    best = min(best, clock() - began)
                times.append(best)
            print(
                f"{what:5s} seconds: here {times[0]:.3f}  pandas {times[1]:.2f}  "
                f"ratio {times[1] / times[0]:.0f}"
            )
        print(f"identical top 100: {same} of {queries} queries")


def large(arguments: argparse.Namespace) -> None:
    """Time and memory of the steps after the search for all of GLDv2's test and index images."""
    queries, index, train, k = 117_577, 761_757, 4_132_914, 300
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        known, codes, near, direct = neighbours(queries, index, train, k, 203_094, folder)
        non_landmark = np.random.default_rng(2).random(train) * 0.5
        query_ids, ids = image_ids(queries), image_ids(index)
        forget_peak()
        began, cpu = time.perf_counter(), time.process_time()
        path = f"{folder}/submission.csv"
        after_the_search(known, codes, near, direct, non_landmark, query_ids, ids, path)
        took, used = time.perf_counter() - began, time.process_time() - cpu
        print(f"{queries} x {index}, {k} neighbours: {took:.0f} s ({used:.0f} CPU s)")
        print(f"peak memory {peak():.1f} GiB, mapped files among it")


def crowded(arguments: argparse.Namespace) -> None:
    """One landmark that is kept by 100,000 index images and by all 10,000 queries."""
    rng = np.random.default_rng(0)
    queries, index = 10_000, 200_000
    marks = rng.integers(1, 5000, size=(index, 5))
    marks[:100_000, 0] = 0
    query = rng.integers(1, 5000, size=(queries, 5))
    query[:, 0] = 0
    of_index, of_query = (
        LandmarkConfidences(landmarks, -np.sort(-rng.random(landmarks.shape), axis=1))
        for landmarks in (marks, query)
    )
    direct = Neighbors(
        rng.integers(index, size=(queries, 1)) + np.arange(100) * 1999 - index // 2,
        -np.sort(-rng.random((queries, 100)), axis=1),
    )
    direct = Neighbors(np.where(direct.indices < 0, -1, direct.indices % index), direct.scores)
    forget_peak()
    before, began, cpu = peak(), time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        query_ids, ids = image_ids(queries), image_ids(index)
        ranked(of_query, of_index, direct, query_ids, ids, f"{folder}/submission.csv")
    took, used = time.perf_counter() - began, time.process_time() - cpu
    print(
        f"{queries} queries of a landmark with 100000 of {index} images: {took:.1f} s "
        f"({used:.1f} CPU s), "
        f"peak memory {peak():.2f} GiB of which {before:.2f} before"
    )


def main() -> None:
    """Runs one benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["pandas", "large", "crowded"])
    parser.add_argument("--folder", default=None, help="where large files may lie for a while")
    arguments = parser.parse_args()
    globals()[arguments.what](arguments)


if __name__ == "__main__":
    main()
